// The page of a service. Whatever comes from it is put on the page as text (`textContent`), never as markup.

const RULE = `title: Pool exhausted
id: 2f6f0c1e-4c1b-4d0e-9a52-6f2b3a0d7c11
status: experimental
level: high
logsource:
  category: text
detection:
  words:
    text|contains: connection pool exhausted
  condition: words
tests:
  match:
    - "ERROR connection pool exhausted on db-3"
  no_match:
    - "connection pool resized"
`;

const share = (value) => (value > 0.99 ? ">.99" : value < 0.01 ? "<.01" : value.toFixed(2).replace(/^0/, ""));

async function ask(path, body) {
  const headers = {};
  if (byId("token").value) headers.Authorization = `Bearer ${byId("token").value}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: body === undefined ? undefined : JSON.stringify(body) });
  if (answer.status === 401 || answer.status === 403) byId("token-label").hidden = false;
  const content = await answer.json().catch(() => ({ error: `HTTP ${answer.status}` }));
  if (!answer.ok && content.error) throw new Error(content.remedy ? `${content.error} ${content.remedy}` : content.error);
  return content;
}

const fault = (error) => make("p", "fault", printable(error.message));

// --- scores ----------------------------------------------------------------------------------------------------------

function why(reason, text) {
  const letters = reason.spans && reason.spans.length ? Array.from(text) : [];
  const found = (reason.spans || []).slice(0, 6).map(([start, end]) => letters.slice(start, end).join(""));
  const said = [reason.similarity == null ? "" : share(reason.similarity), reason.date, reason.title, reason.note].filter(Boolean).join(" ");
  const line = make("li", "", printable(said));
  const words = [...found, ...(reason.words || [])];
  if (words.length) line.append(": ", make("b", "", printable(words.join(", "))));
  if (reason.outcome) line.append(make("span", "quiet", ` — ${printable(reason.outcome)}`));
  return line;
}

function answers(text, id) {
  const place = make("p", "answers");
  for (const [name, right] of [["right", true], ["wrong", false]]) {
    const button = make("button", "", null, word(name));
    button.type = "button";
    button.addEventListener("click", async () => {
      try {
        await ask("/v1/feedback", { text, right, id });
        place.replaceChildren(word(name), " ", word("kept"));
      } catch (error) { place.append(fault(error)); }
    });
    place.append(button, " ");
  }
  return place;
}

function scored(alert) {
  const head = make("h3", "", null, make("span", `level ${alert.level}`, printable(alert.level)), ` ${share(alert.score)} `);
  if (alert.category) head.append(make("i", "quiet", printable(alert.category)));
  const sum = make("ul", "sum");
  for (const item of alert.evidence) {
    const line = make("li", "", `${item.signal} ${signed(item.log_odds)}`);
    if (item.why && item.why.length) line.append(make("ul", "", null, ...item.why.map((reason) => why(reason, alert.text))));
    sum.append(line);
  }
  const article = make("article", "card", null, head, make("p", "text", printable(alert.text)));
  const step = alert.evidence.flatMap((item) => item.why || []).find((reason) => reason.playbook);
  if (step) article.append(make("p", "first", null, make("b", "", null, word("first")), " ", printable(step.playbook)));
  article.append(make("details", "", null, make("summary", "", null, word("why")), sum), answers(alert.text, alert.id));
  return article;
}

async function score(event) {
  event.preventDefault();
  const texts = byId("text").value.split("\n").filter((line) => line.trim());
  try {
    const found = await ask("/v1/score", { texts });
    byId("scores").replaceChildren(...found.scores.sort((a, b) => b.score - a.score).map(scored));
  } catch (error) { byId("scores").replaceChildren(fault(error)); }
}

async function similar() {
  try {
    const found = await ask("/v1/similar", { text: byId("text").value });
    byId("scores").replaceChildren(...found.cases.map((one) => make("article", "card", null,
      make("h3", "", `${share(one.similarity)} ${printable([one.time, one.title].filter(Boolean).join(" "))}`),
      make("p", "", printable(one.outcome || "")), make("p", "quiet", printable((one.words || []).join(", "))))));
  } catch (error) { byId("scores").replaceChildren(fault(error)); }
}

// --- live ------------------------------------------------------------------------------------------------------------

function told(found) {
  byId("quiet").hidden = true;
  const known = document.getElementById(found.id);
  const head = make("h3", "", null, make("span", `level ${found.level}`, `${found.kind}`), " ", printable(found.stream || found.title || ""));
  const article = make("article", "card", null, head);
  article.id = found.id;
  if (found.kind === "warning") {
    article.append(make("p", "", printable(`${found.raised_by}; ${found.onset.time || ""} – ${found.raised.time || ""}; ≤ ${found.false_warnings}`)));
    const list = make("ul");
    for (const one of found.moved.slice(0, 3)) list.append(make("li", "", printable(`${one.at.source}:${one.at.line} ${one.text}`)));
    article.append(list);
    if (!found.volume && found.moved.length) article.append(answers(found.moved[0].text, found.id));
  }
  for (const step of (found.playbook || []).slice(0, 1)) article.append(make("p", "first", null, make("b", "", null, word("first")), " ", printable(step)));
  if (known) known.replaceWith(article);
  else byId("live").prepend(article);
}

/** The stream of events, by `fetch`: an `EventSource` cannot carry a token. */
async function listen() {
  let last = 0;
  for (;;) {
    try {
      const headers = { "Last-Event-ID": String(last) };
      if (byId("token").value) headers.Authorization = `Bearer ${byId("token").value}`;
      const answer = await fetch("/v1/events", { headers });
      if (answer.status === 401 || answer.status === 403) byId("token-label").hidden = false;
      if (!answer.ok) throw new Error(String(answer.status));
      byId("state").replaceChildren(word("connected"));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let held = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        held += value;
        const parts = held.split("\n\n");
        held = parts.pop();
        for (const part of parts) {
          const lines = part.split("\n");
          const number = lines.find((line) => line.startsWith("id: "));
          const data = lines.find((line) => line.startsWith("data: "));
          if (!data) continue;
          last = Number(number.slice(4));
          told(JSON.parse(data.slice(6)));
        }
      }
    } catch { byId("state").replaceChildren(word("lost")); }
    await new Promise((wake) => setTimeout(wake, 2000));
  }
}

// --- rules -----------------------------------------------------------------------------------------------------------

let waiting = null;

async function check() {
  const yaml = byId("rule").value;
  if (!yaml.trim()) return;
  try {
    const found = await ask("/v1/rules/check", { yaml });
    byId("swap").disabled = !found.usable;
    byId("checked").replaceChildren(word(found.usable ? "usable" : "not-usable"), ` (${found.examples - found.failed.length}/${found.examples})`);
    const remarks = found.remarks.map((one) => make("li", one.severity, printable(`${one.line}:${one.column} ${one.message} [${one.check}]`)));
    const failed = found.failed.map((one) => make("li", "error", printable(`${one.rule}: ${one.expected ? "did not fire on" : "fired on"} ${one.text}`)));
    byId("remarks").replaceChildren(...remarks, ...failed);
  } catch (error) { byId("remarks").replaceChildren(fault(error)); byId("swap").disabled = true; }
}

async function swap() {
  try {
    await ask("/v1/rules/swap", { yaml: byId("rule").value });
    byId("checked").replaceChildren(word("used"));
  } catch (error) { byId("remarks").replaceChildren(fault(error)); }
}

function begin() {
  offerLanguages();
  byId("score").addEventListener("submit", score);
  byId("similar").addEventListener("click", similar);
  byId("rule").value = RULE;
  byId("rule").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(check, 300); });
  byId("swap").addEventListener("click", swap);
  listen();
}

begin();
