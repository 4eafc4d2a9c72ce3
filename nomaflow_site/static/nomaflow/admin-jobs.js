// The job's form: the next fires as one types a schedule, and a fresh blank step when one has been filled in.
"use strict";

(() => {
  const QUIET_MS = 250;

  function previewFires(list) {
    const schedule = document.getElementById("id_schedule");
    const zone = document.getElementById("id_timezone");
    if (!schedule || !zone) return;
    const calendars = ["include_calendar", "exclude_calendar", "on_excluded"].map((name) => document.getElementById(`id_${name}`));
    // The form's own address is .../job/add/ or .../job/<id>/change/; the preview stands beside them.
    const root = location.pathname.replace(/(add|[^/]+\/change)\/$/, "");
    let timer = 0;
    let latest = 0;

    async function show() {
      const mine = ++latest;
      const query = new URLSearchParams({ cron: schedule.value, tz: zone.value });
      const [include, exclude, moved] = calendars.map((input) => input?.value ?? "");
      if (include) query.set("include", include);
      if (exclude) query.set("exclude", exclude);
      if (exclude && moved) query.set("on_excluded", moved);
      try {
        const answer = await fetch(`${root}${list.dataset.preview}/?${query}`, { credentials: "same-origin" });
        if (!answer.ok || mine !== latest) return;
        const { fires } = await answer.json();
        list.replaceChildren(...fires.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      } catch {
        // Away from the server the list stays as it is; saving checks the schedule in any case.
      }
    }

    list.setAttribute("aria-live", "polite");
    for (const input of [schedule, zone, ...calendars.filter(Boolean)]) {
      input.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(show, QUIET_MS);
      });
    }
  }

  // Each step type has one blank form. Opening it puts another blank one of the same type below.
  function offerAnother(details) {
    const blank = details.cloneNode(true);
    details.addEventListener(
      "toggle",
      () => {
        const total = document.getElementById(`id_${details.dataset.prefix}-TOTAL_FORMS`);
        const next = total.value;
        const number = details.id.slice(details.dataset.prefix.length + 1);
        renumber(blank, `${details.dataset.prefix}-${number}`, `${details.dataset.prefix}-${next}`);
        total.value = String(Number(next) + 1);
        details.parentElement.append(blank);
        offerAnother(blank);
      },
      { once: true },
    );
  }

  function renumber(root, from, to) {
    for (const element of [root, ...root.querySelectorAll("*")]) {
      for (const name of ["id", "name", "for", "aria-describedby"]) {
        const value = element.getAttribute(name);
        if (value?.includes(from)) element.setAttribute(name, value.replace(from, to));
      }
    }
  }

  addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-preview]").forEach(previewFires);
    document.querySelectorAll("details.new-step:not([open])").forEach(offerAnother);
  });
})();
