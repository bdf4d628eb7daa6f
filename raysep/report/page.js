// The page's own script: it listens, judges, sorts and searches. Without it the page reads as it stands.
"use strict";
// Said before there is a body: what the script will hide is then never laid out.
document.documentElement.classList.add("js");
document.addEventListener("DOMContentLoaded", () => {
  try {
    begin();
  } catch (error) {
    document.documentElement.classList.remove("js");
    throw error;
  }
});

function begin() {
  const data = JSON.parse(document.getElementById("stems").textContent);
  const { columns, tracks, labels, kinds, fates, places, root, served } = data;
  const total = columns.track.length;
  // Texts of all rows come joined; they are taken apart when one of them is first asked for.
  const texts = {};
  const textOf = (name, row) => (texts[name] ??= typeof columns[name] === "string" ? columns[name].split("\n") : columns[name])[row];
  const PAGE = 25; // rows of the table at a time, however many there are
  const one = (id) => document.getElementById(id);
  const all = (query, within = document) => [...within.querySelectorAll(query)];
  const make = (tag, text = "", kind = "") => {
    const node = document.createElement(tag);
    if (text !== "") node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };

  // Stems ---------------------------------------------------------------------------------------------------------

  const stemId = (row) => `${tracks[columns.track[row]]}/${labels[columns.label[row]]}`;
  const fileOf = (row) => root + shortFile(row);
  const shortFile = (row) => textOf("file", row).replace(/^\*/, () => tracks[columns.track[row]]);
  let numbered = null; // stem → row, of tens of thousands: made when it is first asked for
  function rowOf(id) {
    numbered ??= new Map(Array.from({ length: total }, (_, row) => [stemId(row), row]));
    return numbered.get(id);
  }
  const chance = (value) => (value === null ? "–" : value > 0 && value < 0.0005 ? "<0.001" : value < 1 && value >= 0.9995 ? ">0.999" : value.toFixed(3));
  const number = (value) => (value === null ? "–" : value.toFixed(2).replace("-", "−"));

  // Verdicts: kept in this browser until they are downloaded ----------------------------------------------------------

  const store = `raysep verdicts ${data.key}`;
  const verdicts = new Map();
  const begun = data.said.map(([id, verdict, note]) => [id, { verdict, note }]); // what is in the decision already
  let kept = begun;
  try {
    kept = JSON.parse(localStorage.getItem(store)) || begun;
  } catch { /* a browser that keeps nothing: they last as long as the page is open */ }
  for (const [id, said] of kept) if (rowOf(id) !== undefined) verdicts.set(id, said);

  const said = (id) => verdicts.get(id) || { verdict: "", note: "" };

  function judge(id, verdict, note = said(id).note) {
    if (verdict || note) verdicts.set(id, { verdict, note });
    else verdicts.delete(id);
    try { localStorage.setItem(store, JSON.stringify([...verdicts])); } catch { /* likewise */ }
    tell(verdict ? `${id}: ${verdict}` : `${id}: no verdict`);
    showVerdicts();
  }

  function showVerdicts() {
    const given = [...verdicts.values()].filter((each) => each.verdict).length;
    one("said").textContent = given === 0 ? "No verdict yet." : given === 1 ? "1 verdict." : `${given} verdicts.`;
    one("download").disabled = one("forget").disabled = given === 0;
    for (const card of all(".card")) {
      const { verdict, note } = said(card.dataset.stem);
      for (const button of all("[data-verdict]", card)) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
      const select = card.querySelector(".verdict select"), input = card.querySelector(".verdict input");
      if (select) select.value = labels.includes(verdict) ? verdict : "";
      if (input && input !== document.activeElement) input.value = note;
    }
    for (const link of all(".roll a")) {
      const { verdict } = said(cardOf(link).dataset.stem);
      link.dataset.said = verdict;
      link.title = verdict ? `your verdict: ${verdict}` : "";
    }
    for (const select of all("#rows select")) select.value = said(select.dataset.stem).verdict;
  }

  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell);

  function csv() {
    const rows = [...verdicts].filter(([, each]) => each.verdict).map(([id, each]) => [id, each.verdict, each.note]);
    return [["stem_id", "verdict", "note"], ...rows].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
  }

  function download() {
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
    link.download = "verdicts.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    tell("verdicts.csv is downloaded");
  }

  const tell = (words) => { one("told").textContent = words; };

  // Listening: one sound at a time -------------------------------------------------------------------------------------

  let card = null; // the one that is open
  const cardOf = (link) => document.querySelector(link.getAttribute("href"));
  const takesOf = () => (card ? all(".take", card) : []);
  const take = () => takesOf().find((each) => each.classList.contains("on"));
  const audio = () => take()?.querySelector("audio");
  const shape = (each) => ({ start: Number(each.dataset.start), seconds: Number(each.dataset.seconds) });
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(1).padStart(4, "0")}`;
  let until = null; // where the marked seconds end, while they play

  document.addEventListener("play", (event) => {
    for (const other of all("audio")) if (other !== event.target) other.pause();
    requestAnimationFrame(follow);
  }, true);
  for (const name of ["pause", "seeked", "ended", "loadedmetadata"]) document.addEventListener(name, () => place(), true);

  function follow() {
    const sound = audio();
    if (!sound || sound.paused) return place();
    if (until !== null && sound.currentTime >= until) { sound.pause(); until = null; }
    place();
    requestAnimationFrame(follow);
  }

  function place() {
    const each = take(), sound = audio();
    if (!sound) return;
    const { start, seconds } = shape(each);
    const at = Math.min(sound.currentTime, seconds);
    const line = each.querySelector(".playhead"), scope = each.querySelector(".scope");
    const share = `${(100 * at) / (seconds || 1)}%`;
    if (line) { line.setAttribute("x1", share); line.setAttribute("x2", share); }
    if (scope) {
      scope.setAttribute("aria-valuenow", (start + at).toFixed(1));
      scope.setAttribute("aria-valuetext", clock(start + at));
    }
    card.querySelector(".time").textContent = `${clock(start + at)} of ${clock(start + seconds)}`;
    card.querySelector(".play").textContent = sound.paused ? "Play" : "Pause";
  }

  function seek(seconds) {
    const sound = audio();
    if (!sound) return;
    until = null;
    sound.currentTime = Math.max(0, Math.min(seconds, shape(take()).seconds - 0.01));
    place();
  }

  function toggle() {
    const sound = audio();
    if (!sound) return;
    until = null;
    if (sound.paused) sound.play().catch(() => tell("this browser cannot play the sound"));
    else sound.pause();
  }

  function playWorst() {
    const first = takesOf().find((each) => each.dataset.worst);
    if (!first) return;
    if (!take().dataset.worst) choose(takesOf().indexOf(first));
    const [begin, end] = take().dataset.worst.split(" ").map(Number), { start } = shape(take());
    seek(begin - start - 0.3); // the ear needs a moment before it
    until = end - start + 0.2;
    audio().play().catch(() => tell("this browser cannot play the sound"));
  }

  function choose(index) {
    const before = take(), next = takesOf()[index];
    if (!next || next === before) return;
    const was = before?.querySelector("audio"), playing = was && !was.paused, end = until;
    const at = was ? was.currentTime + shape(before).start - shape(next).start : -1; // in the next one, where both are of one time
    was?.pause();
    takesOf().forEach((each) => each.classList.toggle("on", each === next));
    all("[data-take]", card).forEach((button) => button.setAttribute("aria-pressed", String(Number(button.dataset.take) === index)));
    if (before?.dataset.worst && before.dataset.worst === next.dataset.worst && at >= 0 && at < shape(next).seconds) { seek(at); until = end; }
    if (playing) audio().play().catch(() => {});
    place();
    complete(next);
  }

  // What the separator hears is computed when it is asked for, and so are its pictures.
  async function complete(each) {
    const sound = each.querySelector("audio");
    if (!served || !sound || each.querySelector(".scope") || each.ariaBusy === "true") return;
    each.ariaBusy = "true";
    const answer = await fetch(sound.getAttribute("src").replace(/^audio/, "scope")).catch(() => null);
    const told = answer ? await answer.text() : "raysep listen does not answer: start it again";
    each.ariaBusy = "false";
    if (!answer?.ok) return tell(told);
    const frame = make("div");
    frame.innerHTML = told;
    sound.before(...frame.children);
    slidable(each);
    place();
  }

  function slidable(each) {
    const { start, seconds } = shape(each);
    for (const scope of all(".scope", each))
      for (const [name, value] of [["role", "slider"], ["tabindex", "0"], ["aria-label", "Position"], ["aria-valuemin", start], ["aria-valuemax", (start + seconds).toFixed(1)]]) scope.setAttribute(name, value);
  }

  function open(next, focus = false) {
    if (!next) return;
    for (const sound of all("audio")) sound.pause();
    until = null;
    card = next;
    for (const each of all(".card")) each.classList.toggle("on", each === card);
    for (const link of all(".roll a")) {
      const mine = cardOf(link) === card;
      if (mine) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      const roll = link.closest(".roll");
      if (mine && (link.offsetTop < roll.scrollTop || link.offsetTop + link.offsetHeight > roll.scrollTop + roll.clientHeight)) roll.scrollTop = link.offsetTop - 60;
    }
    if (!take()) { takesOf()[0]?.classList.add("on"); }
    takesOf().forEach(slidable);
    showVerdicts();
    place();
    if (focus) { // from the table: the keys are to act on the stem, not on the row's button
      document.querySelector(".desk").scrollIntoView({ block: "start" });
      card.tabIndex = -1;
      card.focus({ preventScroll: true });
    }
  }

  async function openRow(row, from = true) {
    const id = stemId(row);
    const there = all(".card").find((each) => each.dataset.stem === id);
    if (there && (!served || there.querySelector(".take"))) return open(there, from);
    if (!served) return tell(`${id} cannot be heard on this page`);
    tell(`reading ${id}`);
    const answer = await fetch(`card/${row}`).catch(() => null);
    if (!answer) return tell("raysep listen does not answer: start it again");
    const frame = make("div");
    frame.innerHTML = answer.ok ? await answer.text() : "";
    const fresh = frame.querySelector(".card");
    if (!fresh) return tell(`${id} cannot be read`);
    if (there) { fresh.id = there.id; there.replaceWith(fresh); }
    else document.querySelector(".cards").append(fresh);
    open(fresh, from);
    tell(id);
  }

  const heard = (row) => all(".card").some((each) => each.dataset.stem === stemId(row));

  function step(by) {
    const links = all(".roll a"), at = links.findIndex((link) => cardOf(link) === card);
    if (at >= 0 && links[at + by]) return served ? openRow(rowOf(cardOf(links[at + by]).dataset.stem), false) : open(cardOf(links[at + by]));
    if (at < 0 && served) {
      const next = order[order.indexOf(rowOf(card.dataset.stem)) + by];
      if (next !== undefined) openRow(next);
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest(".roll a");
    if (link) { event.preventDefault(); return served ? openRow(rowOf(cardOf(link).dataset.stem), false) : open(cardOf(link)); }
    const button = event.target.closest("button");
    if (button?.dataset.do === "play") return toggle();
    if (button?.dataset.do === "worst") return playWorst();
    if (button?.dataset.take) return choose(Number(button.dataset.take));
    if (button?.dataset.verdict) {
      const verdict = button.dataset.verdict;
      return judge(card.dataset.stem, said(card.dataset.stem).verdict === verdict ? "" : verdict);
    }
    const scope = event.target.closest(".take .scope");
    if (scope) {
      const box = scope.getBoundingClientRect();
      seek(((event.clientX - box.left) / box.width) * shape(take()).seconds);
    }
  });

  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches(".card .verdict select")) judge(card.dataset.stem, field.value);
    if (field.matches(".card .verdict input")) judge(card.dataset.stem, said(card.dataset.stem).verdict, field.value.trim());
    if (field.matches("#rows select")) judge(field.dataset.stem, field.value);
  });

  // The table ---------------------------------------------------------------------------------------------------------

  let order = Array.from({ length: total }, (_, row) => row), first = 0;
  let sorted = { key: "suspicion", down: true };
  const fields = {
    search: one("search"), label: one("by-label"), fate: one("by-fate"), kind: one("by-kind"), said: one("by-said"),
  };
  const haystack = new Array(total);
  const text = (row) => (haystack[row] ??= `${stemId(row)} ${textOf("file", row)} ${textOf("evidence", row)}`.toLowerCase());

  const value = {
    track: (row) => tracks[columns.track[row]],
    p: (row) => columns.p[row],
    suspicion: (row) => columns.suspicion[row],
    fate: (row) => fates[columns.fate[row]],
    kind: (row) => kinds[columns.kind[row]],
    evidence: (row) => textOf("evidence", row),
    verdict: (row) => said(stemId(row)).verdict,
  };
  const names = new Intl.Collator(undefined, { numeric: true });

  function compare(a, b) { // what is not known comes last, whichever way
    if (a === b) return 0;
    if (a === null || a === "") return 2;
    if (b === null || b === "") return -2;
    return typeof a === "string" ? Math.sign(names.compare(a, b)) : a < b ? -1 : 1;
  }

  function arrange() {
    const words = fields.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const label = labels.indexOf(fields.label.value), fate = fates.indexOf(fields.fate.value), kind = kinds.indexOf(fields.kind.value);
    const wanted = fields.said.value;
    const rows = [];
    for (let row = 0; row < total; row++) {
      if (fields.label.value && columns.label[row] !== label) continue;
      if (fields.fate.value && columns.fate[row] !== fate) continue;
      if (fields.kind.value && columns.kind[row] !== kind) continue;
      if (wanted && (wanted === "with a verdict") !== Boolean(said(stemId(row)).verdict)) continue;
      if (words.length && !words.every((word) => text(row).includes(word))) continue;
      rows.push(row);
    }
    const of = value[sorted.key], keys = new Map(rows.map((row) => [row, of(row)]));
    rows.sort((a, b) => {
      const found = compare(keys.get(a), keys.get(b));
      return (Math.abs(found) === 2 ? found : sorted.down ? -found : found) || a - b;
    });
    order = rows;
    first = 0;
    fill();
  }

  function fill() {
    const shown = order.slice(first, first + PAGE);
    one("rows").replaceChildren(...shown.map(line));
    one("range").textContent = order.length ? `${first + 1} to ${first + shown.length} of ${order.length}` : "no stem is like that";
    one("back").disabled = first === 0;
    one("forth").disabled = first + PAGE >= order.length;
    for (const button of all("[data-sort]")) {
      const mine = button.dataset.sort === sorted.key;
      button.closest("th").setAttribute("aria-sort", mine ? (sorted.down ? "descending" : "ascending") : "none");
    }
  }

  function line(row) {
    const id = stemId(row), found = make("tr"), name = make("th");
    name.scope = "row";
    const track = make(served || heard(row) ? "button" : "span", tracks[columns.track[row]], "track");
    if (track.tagName === "BUTTON") { track.type = "button"; track.title = "hear it"; track.addEventListener("click", () => openRow(row)); }
    name.append(track, " ", make("span", labels[columns.label[row]], "chip"), make("span", shortFile(row), "file code"));
    name.lastChild.title = fileOf(row);
    const verdict = make("select");
    verdict.dataset.stem = id;
    verdict.setAttribute("aria-label", `Your verdict on ${id}`);
    for (const [option, words] of [["", "–"], ["keep", "keep"], ["remove", "remove"], ...labels.map((each) => [each, `use as ${each}`])]) verdict.append(new Option(words, option));
    verdict.value = said(id).verdict;
    const last = make("td");
    last.append(verdict);
    const where = make("td");
    where.append(make("span", fates[columns.fate[row]], `mark ${places[columns.place[row]]}`));
    found.append(name, make("td", chance(columns.p[row]), "number"), make("td", number(columns.suspicion[row]), "number"), where, make("td", kinds[columns.kind[row]]), make("td", textOf("evidence", row), "prose"), last);
    return found;
  }

  for (const field of Object.values(fields)) field.addEventListener("input", arrange);
  one("all").querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  for (const button of all("[data-sort]")) button.addEventListener("click", () => {
    const key = button.dataset.sort;
    sorted = { key, down: sorted.key === key ? !sorted.down : key === "p" || key === "suspicion" };
    arrange();
  });
  const turn = (by) => { first = Math.max(0, Math.min(first + by * PAGE, order.length - 1)); fill(); };
  one("back").addEventListener("click", () => turn(-1));
  one("forth").addEventListener("click", () => turn(1));
  one("download").addEventListener("click", download);
  one("forget").addEventListener("click", () => {
    if (!confirm("Forget all verdicts that you gave on this page?")) return;
    verdicts.clear();
    try { localStorage.removeItem(store); } catch { /* likewise */ }
    showVerdicts();
    fill();
  });

  // Keys --------------------------------------------------------------------------------------------------------------

  const named = (begin) => choose(takesOf().findIndex((each) => each.querySelector("figcaption b").textContent.startsWith(begin)));
  const keys = {
    n: () => step(1), p: () => step(-1), " ": toggle, w: playWorst, d: download,
    s: () => choose(0), m: () => named("Mixture"), h: () => named("Separator"), t: () => named("Trusted"),
    ArrowLeft: () => seek((audio()?.currentTime || 0) - 1), ArrowRight: () => seek((audio()?.currentTime || 0) + 1),
    k: () => judge(card.dataset.stem, "keep"), r: () => judge(card.dataset.stem, "remove"), u: () => judge(card.dataset.stem, ""),
    "/": () => { one("search").focus(); one("all").scrollIntoView({ block: "start" }); },
    "?": () => { const help = document.querySelector(".keys"); help.open = !help.open; },
  };

  document.addEventListener("keydown", (event) => {
    const at = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || at.closest("input, select, textarea")) {
      if (event.key === "Escape") at.blur();
      return;
    }
    if (!one("keys").checked || !card) return;
    if (at.closest("button, summary, audio") && event.key === " ") return;
    if (at.closest(".all .scroll") && event.key.startsWith("Arrow")) return;
    const label = /^[1-9]$/.test(event.key) ? labels[Number(event.key) - 1] : undefined;
    const action = label ? () => judge(card.dataset.stem, label) : Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (action) { event.preventDefault(); action(); }
  });

  if (Object.values(fields).some((field) => field.value)) arrange(); // what a browser filled in again
  else fill(); // the rows come in this order
  open(document.querySelector(".card"));
  if (served) openRow(rowOf(document.querySelector(".card").dataset.stem), false);
}
