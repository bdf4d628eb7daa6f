"""What the judgement of a stem rests on, to be looked at and listened to: plain functions from a run's tables and audio.

standing ─ what speaks loudest against each stem, against the trusted ones of its label
phrases  ─ that in words                       kinds    ─ what fault it looks like
choosing ─ which stems are shown               spans    ─ its worst seconds
takes    ─ sound, waveform and spectrogram     of_run   ─ all of it, of a run's folder
"""
