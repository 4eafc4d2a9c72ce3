// The part of the run page that changes: fetched again when the stream says so, keeping what is open and what has the focus.
import { localize } from "./times.js";

const standing = document.getElementById("standing");

let fetching = false;
let stale = false;

export async function refresh() {
  stale = true;
  if (fetching) return;
  fetching = true;
  try {
    while (stale) {
      stale = false;
      const answer = await fetch(standing.dataset.url, { redirect: "error" });
      if (answer.ok) replace(await answer.text());
    }
  } catch {
    // The next change or the page's own reload brings it.
  } finally {
    fetching = false;
  }
}

function replace(html) {
  const before = standing.querySelector("[data-state]").dataset.state;
  const focused = standing.contains(document.activeElement) ? document.activeElement.id : "";
  const open = new Map([...standing.querySelectorAll("details")].map((details, place) => [details.id || place, details.open]));
  standing.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  standing.querySelectorAll("details").forEach((details, place) => { details.open = Boolean(open.get(details.id || place)); });
  localize(standing);
  if (focused) document.getElementById(focused)?.focus();
  const state = standing.querySelector("[data-state]").dataset.state;
  if (state === before) return;
  document.title = document.title.replace(before, state);
  document.getElementById("announcement").textContent = "The run is now " + state;
}

// The timeline grows while the run goes on, and what follows a run's end may still be open. Not under somebody's hands: what has the
// focus would lose it.
setInterval(() => {
  const over = /SUCCEEDED|FAILED|CANCELED/.test(standing.querySelector("[data-state]").dataset.state) && !standing.querySelector("[data-open]");
  if (!over && !document.hidden && !standing.contains(document.activeElement)) refresh();
}, 5000);
