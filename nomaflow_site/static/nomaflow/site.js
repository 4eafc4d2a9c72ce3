// What every page does beyond its links and forms. Everything here can be missing: the pages work without.
import "./keys.js";
import { keepLive } from "./live.js";
import { localize, tick } from "./times.js";
import "./dialogs.js";

keepLive();
localize(document);
setInterval(() => document.hidden || tick(document), 1000);

// A second click sends nothing twice. Capture: before whoever else listens. A page that comes back from the cache is fresh.
addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  event.target.dataset.sent = "yes";
  // The answer may be a file, which leaves the page and its form where they are.
  setTimeout(() => delete event.target.dataset.sent, 3000);
}, true);
addEventListener("pageshow", () => document.querySelectorAll("[data-sent]").forEach((form) => delete form.dataset.sent));
