// The job's form: fires as one types a schedule, rows of parameters, steps moved by keyboard, and a fresh blank form when one was opened.
// Listens on the document, so that forms which come later need nothing more.
const QUIET_MS = 250;
const SCHEDULED = ["schedule", "timezone", "include_calendar", "exclude_calendar", "on_excluded"];
const ASKED = ["cron", "tz", "include", "exclude", "on_excluded"];
let timer = 0;
let latest = 0;

// Schedules

async function preview(list) {
  const mine = ++latest;
  const value = (prefix, name) => document.getElementById(`id_${prefix}${name}`)?.value ?? "";
  const [cron, zone, ...calendars] = SCHEDULED.map((name) => value(list.dataset.preview, name));
  const values = [cron, zone || value("", "timezone"), ...calendars];
  const query = new URLSearchParams(ASKED.map((name, index) => [name, values[index]]));
  // The form's own address is .../job/add/ or .../job/<id>/change/; the preview stands beside them.
  const root = location.pathname.replace(/(add|[^/]+\/change)\/$/, "");
  try {
    const answer = await fetch(`${root}cron-preview/?${query}`);
    if (!answer.ok || mine !== latest) return;
    const { fires } = await answer.json();
    list.replaceChildren(...fires.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  } catch {
    // Away from the server the list stays as it is; saving checks the schedule in any case.
  }
}

document.querySelectorAll("[data-preview]").forEach((list) => list.setAttribute("aria-live", "polite"));

addEventListener("input", ({ target }) => {
  const [, prefix, name] = /^id_(.*?)([a-z_]+)$/.exec(target.id ?? "") ?? [];
  const list = SCHEDULED.includes(name) && document.querySelector(`[data-preview="${prefix}"]`);
  if (!list) return;
  clearTimeout(timer);
  timer = setTimeout(preview, QUIET_MS, list);
});

// Parameters

function fit(kind) {
  const old = kind.closest("li").querySelector("[name$='-value']");
  const cell = document.getElementById(`value-of-${kind.value}`).content.cloneNode(true);
  const fresh = cell.querySelector("[name]");
  if (fresh.type !== "checkbox" && old.type !== "checkbox" && fresh.type !== "password") fresh.value = old.value;
  Object.assign(fresh, { name: old.name, id: old.id, ariaLabel: old.ariaLabel });
  old.closest(".param-value").replaceChildren(cell);
}

addEventListener("change", ({ target }) => target.matches("[data-kind]") && fit(target));

// A name in the last row asks for another row.
addEventListener("input", ({ target }) => {
  const row = target.closest?.(".param-rows > li:last-child");
  if (!row || !target.name.endsWith("-name")) return;
  const [, name, number] = /^(.*-)(\d+)-$/.exec(row.dataset.prefix);
  const next = row.cloneNode(true);
  renumber(next, row.dataset.prefix, `${name}${Number(number) + 1}-`);
  next.querySelector("[name$='-name']").value = "";
  next.querySelector("[data-kind]").selectedIndex = 0;
  row.after(next);
  fit(next.querySelector("[data-kind]"));
  next.querySelector("[name$='-value']").value = "";
  document.getElementById(`id_${name}rows`).value = Number(number) + 2;
});

// Steps

const steps = () => [...document.querySelectorAll(".step.has_original")];

function number() {
  steps().forEach((step, index) => {
    step.querySelector(".step-number").textContent = index + 1;
    step.querySelector("._reorder_").value = index + 1;
  });
}

function move(step, place) {
  const others = steps().filter((other) => other !== step);
  const to = Math.max(0, Math.min(place, others.length));
  if (to === steps().indexOf(step)) return;
  const held = document.activeElement;
  if (to < others.length) others[to].before(step);
  else others.at(-1).after(step);
  held.focus();
  number();
  const name = step.querySelector(".inline_label").textContent;
  document.getElementById("step-said").textContent = `${name} is step ${to + 1} of ${others.length + 1} now; save to keep it.`;
}

addEventListener("keydown", (event) => {
  const step = event.altKey && event.target.closest?.(".step.has_original > details > summary")?.closest(".step");
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step || !by) return;
  event.preventDefault();
  move(step, steps().indexOf(step) + by);
});

addEventListener("change", ({ target }) => {
  const step = target.matches("._reorder_") && target.closest(".step.has_original");
  if (step && target.value) move(step, Number(target.value) - 1);
});

// Dropping a dragged step moves it in the page; its number follows.
const dragged = document.querySelector("#steps-group > fieldset");
if (dragged) new MutationObserver(number).observe(dragged, { childList: true });

// Each blank form is offered once more when it's opened.

function offerAnother(details) {
  const blank = details.cloneNode(true);
  details.addEventListener(
    "toggle",
    () => {
      const total = document.getElementById(`id_${details.dataset.prefix}-TOTAL_FORMS`);
      renumber(blank, details.id, `${details.dataset.prefix}-${total.value}`);
      total.value = Number(total.value) + 1;
      details.parentElement.append(blank);
      offerAnother(blank);
    },
    { once: true },
  );
}

function renumber(root, from, to) {
  for (const element of [root, ...root.querySelectorAll("*")]) {
    for (const name of ["id", "name", "for", "aria-describedby", "aria-labelledby", "data-preview", "data-prefix"]) {
      const value = element.getAttribute(name);
      if (value?.includes(from)) element.setAttribute(name, value.replace(from, to));
    }
  }
}

document.querySelectorAll("details.new-card:not([open])").forEach(offerAnother);
