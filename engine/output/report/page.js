// The alerts of a report: shown a hundred at a time, searched, filtered, opened, answered. Whatever comes from the
// data is put on the page as text (`textContent`), never as markup.

const AT_ONCE = 100;
const SHOWN_TEXT = 4000;
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

const state = { alerts: [], chosen: [], shown: 0, levels: [], moved: {}, incident: null, answers: new Map() };

async function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// --- one alert -----------------------------------------------------------------------------------------------------

/** The text with what rules found marked. Spans count characters, of which JavaScript counts some twice. */
function marked(alert) {
  const letters = Array.from(alert.text.slice(0, SHOWN_TEXT));
  const hit = new Uint8Array(letters.length + 1);
  for (const item of alert.evidence)
    for (const why of item.why || [])
      for (const [start, end] of why.spans || []) hit.fill(1, Math.min(start, letters.length), Math.min(end, letters.length));
  const line = make("p", "text");
  let begin = 0;
  for (let at = 1; at <= letters.length; at++) {
    if (at < letters.length && hit[at] === hit[begin]) continue;
    const part = printable(letters.slice(begin, at).join(""));
    line.append(hit[begin] ? make("mark", "", part) : part);
    begin = at;
  }
  if (alert.text.length > SHOWN_TEXT) line.append("…");
  return line;
}

function reason(why, alert) {
  const parts = [why.similarity == null ? "" : share(why.similarity), why.date, why.title, why.note];
  const line = make("li", "", printable(parts.filter(Boolean).join(" ")));
  if (why.level) line.append(make("span", "quiet", ` (${printable(why.level)})`));
  if (why.log_odds != null) line.append(make("span", "quiet", ` ${signed(why.log_odds)}`));
  const letters = why.spans && why.spans.length ? Array.from(alert.text) : [];
  const found = (why.spans || []).slice(0, 6).map(([start, end]) => printable(letters.slice(start, end).join("")));
  const said = [...found, ...(why.words || [])];
  if (said.length) line.append(": ", make("b", "", printable(said.join(", "))));
  if (why.outcome) line.append(make("span", "quiet", ` — ${printable(why.outcome)}`));
  for (const place of why.records || []) line.append(make("code", "record", printable(`${place.source}:${place.line}`)));
  return line;
}

const share = (value) => value.toFixed(2).replace(/^0/, "");

/** The sum as bars, each of which opens to what is behind it. */
function evidence(alert) {
  const most = Math.max(...alert.evidence.map((item) => Math.abs(item.log_odds)), 1);
  const table = make("div", "sum");
  for (const item of alert.evidence) {
    const bar = make("span", item.log_odds < 0 ? "bar down" : "bar up");
    const track = make("span", "track", null, bar);
    bar.style.setProperty("--share", `${(Math.abs(item.log_odds) / most) * 50}%`);
    const head = make("div", "term", null, make("span", "name", printable(item.signal)), track, make("span", "value", signed(item.log_odds)));
    table.append(head);
    if (item.why && item.why.length) table.append(make("ul", "why", null, ...item.why.map((why) => reason(why, alert))));
    else if (item.signal === "prior") table.append(make("ul", "why", null, make("li", "quiet", null, word("prior"))));
  }
  const total = make("div", "term total", null, make("span", "name", null, word("sum")), make("span", "track"), make("span", "value", signed(alert.log_odds)));
  table.append(total);
  return table;
}

function opened(alert) {
  const inner = make("div", "opened");
  inner.append(evidence(alert));
  const facts = [];
  if (alert.low != null) facts.push(make("span", "", null, word("interval"), ` ${share(alert.low)}–${share(alert.high)}`));
  if (alert.p_value != null) facts.push(make("span", "", `${(alert.p_value * 100).toPrecision(2)} % `, word("pvalue")));
  if (facts.length) inner.append(make("p", "quiet", null, ...facts.flatMap((one) => [one, ". "])));
  if (alert.before || alert.after) {
    const lines = make("pre", "around");
    for (const line of alert.before || []) lines.append(make("span", "quiet", printable(line) + "\n"));
    lines.append(make("b", "", printable(alert.text.slice(0, 400)).replaceAll("\n", "\n  ") + "\n"));
    for (const line of alert.after || []) lines.append(make("span", "quiet", printable(line) + "\n"));
    inner.append(make("h4", "", null, word("around")), lines);
  }
  return inner;
}

function firstStep(alert) {
  for (const item of alert.evidence) for (const why of item.why || []) if (why.playbook) return why.playbook;
  return null;
}

function when(alert) {
  const begin = alert.first.time, end = alert.last.time;
  if (!begin) return "";
  const minute = (time) => time.slice(0, 16).replace("T", " ") + "Z";
  return !end || minute(begin) === minute(end) ? minute(begin) : `${minute(begin)} – ${minute(end)}`;
}

function card(alert) {
  const head = make("h3", "", null, make("span", `level ${state.levels.includes(alert.level) ? alert.level : ""}`, printable(alert.level)), " ", make("span", "score", alert.shown));
  if (alert.count > 1) head.append(make("span", "quiet", ` ×${alert.count.toLocaleString("en")}`));
  const line = make("p", "quiet at", null, make("code", "", alert.at), ` ${when(alert)} `);
  if (alert.category) line.append(make("i", "", printable(alert.category)), " ");
  line.append(make("code", "id", printable(alert.id)));
  const text = marked(alert);
  const details = make("details", "", null, make("summary", "", null, word("why"), make("span", "quiet", ` ${signed(alert.log_odds)}`)));
  details.addEventListener("toggle", () => { if (details.open && details.children.length === 1) details.append(opened(alert)); });
  const article = make("article", "card alert", null, head, line, text);
  const step = firstStep(alert);
  if (step) article.append(make("p", "first", null, make("b", "", null, word("first")), " ", printable(step)));
  const buttons = make("p", "answers screen");
  answerButtons(buttons, alert.id);
  article.append(details, buttons);
  return article;
}

// --- answers -------------------------------------------------------------------------------------------------------

function answerButtons(place, id) {
  for (const [name, label] of [["right", "1"], ["wrong", "0"]]) {
    const button = make("button", name, null, word(name));
    button.type = "button";
    button.setAttribute("aria-pressed", String(state.answers.get(id) === label));
    button.addEventListener("click", () => {
      if (state.answers.get(id) === label) state.answers.delete(id);
      else state.answers.set(id, label);
      place.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", "false"));
      button.setAttribute("aria-pressed", String(state.answers.get(id) === label));
      byId("answered").textContent = String(state.answers.size);
      byId("save").disabled = state.answers.size === 0;
      state.unsaved = true;
    });
    place.append(button, " ");
  }
}

/** A cell of CSV in which no spreadsheet finds a formula; `forewarn fit` and `update` take the apostrophe off again. */
const cell = (value) => `"${(FORMULA.test(value) ? "'" + value : value).replaceAll('"', '""')}"`;

/** The answers in the form that `forewarn feedback` keeps, for `forewarn fit` and `update`. */
function feedback() {
  const rows = [["label", "text", "alert", "source", "line"]];
  const alerts = new Map(state.alerts.map((alert) => [alert.id, alert]));
  for (const [id, label] of state.answers) {
    const alert = alerts.get(id);
    if (alert) rows.push([label, alert.text, id, alert.first.source, String(alert.first.line)]);
    // Of a false warning every text that moved it is ordinary, of a right one the loudest is of a crisis.
    else for (const one of label === "1" ? state.moved[id].slice(0, 1) : state.moved[id]) rows.push([label, one.text, id, one.at.source, String(one.at.line)]);
  }
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

function save() {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([feedback()], { type: "text/csv" }));
  link.download = "feedback.csv";
  link.click();
  URL.revokeObjectURL(link.href);
  state.unsaved = false;
}

// --- the list ------------------------------------------------------------------------------------------------------

function choose() {
  const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const level = byId("by-level").value, category = byId("by-category").value, source = byId("by-source").value;
  state.chosen = state.alerts.filter((alert) =>
    (!level || alert.level === level) && (!category || (alert.category || "") === category) &&
    (!source || alert.first.source === source) && (!state.incident || state.incident.has(alert.id)) &&
    wanted.every((part) => alert.searched.includes(part)));
  state.shown = 0;
  byId("list").replaceChildren();
  more();
}

function more() {
  const next = state.chosen.slice(state.shown, state.shown + AT_ONCE);
  state.shown += next.length;
  const list = byId("list");
  list.querySelector(".more")?.remove();
  list.append(...next.map(card));
  if (state.shown < state.chosen.length) {
    const button = make("button", "more screen", null, word("more"));
    button.type = "button";
    button.addEventListener("click", more);
    list.append(button);
    state.watcher.observe(button);
  }
  const count = byId("count");
  count.replaceChildren(`${state.shown.toLocaleString("en")} `, word("of"), ` ${state.chosen.length.toLocaleString("en")} `, word("alerts"));
  if (state.incident) count.append(", ", word("incident"));
}

function choices(select, values) {
  const counts = new Map();
  for (const value of values) if (value) counts.set(value, (counts.get(value) || 0) + 1);
  for (const [value, count] of [...counts].sort((a, b) => b[1] - a[1]).slice(0, 200)) {
    const option = make("option", "", `${printable(value)} (${count.toLocaleString("en")})`);
    option.value = value;
    select.append(option);
  }
}

function ofIncident(ids) {
  state.incident = new Set(ids);
  for (const id of ["search", "by-level", "by-category", "by-source"]) byId(id).value = "";
  choose();
  byId("alerts").scrollIntoView();
}

async function begin() {
  document.querySelectorAll("[hidden]").forEach((one) => { one.hidden = false; });
  offerLanguages();
  byId("print").addEventListener("click", () => window.print());
  const data = await unpacked(byId("data").textContent);
  Object.assign(state, { alerts: data.alerts, levels: data.levels, moved: data.moved });
  for (const alert of state.alerts) {
    const said = [alert.text, alert.id, alert.at, alert.category || ""];
    for (const item of alert.evidence) for (const why of item.why || []) said.push(why.title || "", why.id || "");
    alert.searched = said.join("\n").toLowerCase();
  }
  state.watcher = new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "600px" });
  choices(byId("by-category"), state.alerts.map((alert) => alert.category));
  choices(byId("by-source"), state.alerts.map((alert) => alert.first.source));
  for (const id of ["search", "by-level", "by-category", "by-source"]) byId(id).addEventListener("input", choose);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => { byId("filters").reset(); state.incident = null; choose(); });
  byId("save").addEventListener("click", save);
  document.querySelectorAll(".of").forEach((button) => button.addEventListener("click", () => ofIncident(button.dataset.alerts.split(" "))));
  document.querySelectorAll(".answers[data-id]").forEach((place) => answerButtons(place, place.dataset.id));
  window.addEventListener("beforeunload", (event) => { if (state.unsaved) event.preventDefault(); });
  choose();
}

begin();
