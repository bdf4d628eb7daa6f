from raysep.cluster import noise

noise.hide_messages()  # before any of these modules imports ray
