"use strict";
// Whatever comes from the data is put on a page as text (`textContent`), never as markup.

const byId = (id) => document.getElementById(id);

/** An element with its class, its text and what is in it. */
function make(name, className = "", text = null, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

/** A word of the page in both languages. */
const word = (name) => byId("words").content.querySelector(`[data-word=${name}]`).cloneNode(true);

/** What Python's `printable` does: no character steers. */
function printable(text) {
  const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;
  return String(text).replace(steering, (found) => "\\u" + found.codePointAt(0).toString(16).padStart(4, "0"));
}

const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

/** Headings in the language of the reader, which a button changes. */
function offerLanguages() {
  const root = document.documentElement;
  byId("language").addEventListener("click", () => {
    const chinese = root.dataset.lang === "en";
    root.dataset.lang = root.lang = chinese ? "zh" : "en";
    byId("language").textContent = chinese ? "English" : "中文";
  });
  if ((navigator.language || "").startsWith("zh")) byId("language").click();
}

