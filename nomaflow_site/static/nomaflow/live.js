// Parts of a page that change are asked for again: quickly while something runs, seldom otherwise. The server renders the whole
// page as ever; only parts whose HTML differs are replaced, and never one that somebody has the focus in.
import { localize } from "./times.js";

const shown = new Map();

function remember(root) {
  for (const part of root.querySelectorAll("[data-part]")) shown.set(part.id, part.outerHTML);
}

function renew(fresh) {
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(part.id);
    if (!next || next.outerHTML === shown.get(part.id) || part.contains(document.activeElement)) continue;
    shown.set(part.id, next.outerHTML);
    const open = new Map([...part.querySelectorAll("details")].map((details, place) => [details.id || place, details.open]));
    for (const box of part.querySelectorAll("input[type=checkbox]:checked")) {
      const same = next.querySelector(`[name="${box.name}"][value="${CSS.escape(box.value)}"]`);
      if (same) same.checked = true;
    }
    part.replaceWith(next);
    next.querySelectorAll("details").forEach((details, place) => { details.open = open.get(details.id || place) ?? details.open; });
    localize(next);
  }
}

async function look() {
  let seconds = Number(document.querySelector("[data-live]").dataset.live);
  try {
    if (!document.hidden && !document.querySelector("dialog[open]")) {
      const answer = await fetch(location.href, { redirect: "error" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        seconds = Number(fresh.querySelector("[data-live]")?.dataset.live ?? seconds);
        renew(fresh);
      }
    }
  } catch {
    seconds = Math.max(seconds, 10); // The server is away; what is shown stays, and the next look brings the rest.
  }
  setTimeout(look, seconds * 1000);
}

export function keepLive() {
  const period = document.querySelector("[data-live]");
  if (!period) return;
  remember(document);
  setTimeout(look, Number(period.dataset.live) * 1000);
}
