// Times in the viewer's zone. The server writes each in UTC or in the schedule's zone, which stays beside it where the two differ.
const moment = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", year: "numeric", month: "2-digit", day: "2-digit",
  hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short",
});
const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

function inWords(date, weekday) {
  const part = Object.fromEntries(moment.formatToParts(date).map(({ type, value }) => [type, value]));
  const day = `${part.year}-${part.month}-${part.day}`;
  return `${weekday ? part.weekday + " " : ""}${day} ${part.hour}:${part.minute}:${part.second} ${part.timeZoneName}`;
}

export const clock = (iso) => (iso ? timeOfDay.format(new Date(iso)) : "");

export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  const two = (number) => String(number).padStart(2, "0");
  if (days) return `${days} d ${two(hours)} h`;
  if (hours) return `${hours} h ${two(minutes)} min`;
  return minutes ? `${minutes} min ${two(whole % 60)} s` : `${whole} s`;
}

const SHOW = {
  when(element, date) {
    element.title = element.textContent;
    element.textContent = inWords(date, false);
  },
  zoned(element, date) {
    const shown = inWords(date, true);
    // The first 23 characters are day and time of day, whatever the zone is called.
    if (shown.slice(0, 23) === element.textContent.slice(0, 23)) return;
    const beside = Object.assign(document.createElement("span"), { className: "beside", textContent: `(${element.textContent.slice(15)})` });
    element.title = element.textContent;
    element.textContent = shown;
    element.after(" ", beside);
  },
  clock(element) { element.textContent = clock(element.dateTime); },
  since(element, date) { element.textContent = span((Date.now() - date) / 1000); },
  until(element, date) { element.textContent = date > Date.now() ? `in ${span((date - Date.now()) / 1000)}` : "now"; },
};

export function localize(root) {
  for (const element of root.querySelectorAll("time[data-show]:not([data-shown])")) {
    if (!element.dateTime) continue;
    SHOW[element.dataset.show](element, new Date(element.dateTime));
    element.dataset.shown = "";
  }
}

// Running times and countdowns go on between two answers of the server.
export function tick(root) {
  for (const element of root.querySelectorAll("time[data-show=since], time[data-show=until]")) {
    SHOW[element.dataset.show](element, new Date(element.dateTime));
  }
}
