// The log of the run page: a window of rows that moves over a log of any length. Every piece of it comes rendered from the server;
// only lines that arrive while somebody watches are made here, from the same template.
import { refresh } from "./standing.js";
import { localize } from "./times.js";

const MOST_ROWS = 3000;
const NEAR = 800; // Pixels to the window's edge at which the next piece is fetched.
const RETRY_MS = 5000;
const TYPING_MS = 300;
const LOST = "These lines did not come: the server can't be reached, or you are logged out. Scroll to try again, or reload the page.";

const [list, pill, found, connection, follow, wrap, form] =
  ["log", "pill", "log-found", "connection", "follow", "wrap", "log-filter"].map((id) => document.getElementById(id));
const model = document.getElementById("line").content.querySelector("li");
const { level, step, q } = form.elements;
const links = Object.fromEntries([...document.querySelectorAll("[data-go]")].map((link) => [link.dataset.go, link]));

const span = ({ dataset }) => ({ first: Number(dataset.first), last: Number(dataset.last), end: Number(dataset.end) });

// The rows are all lines from `first` to `last` that pass the filter; the log's last line, as far as is known, is `end`.
let { first, last, end } = span(list);
let filter = chosen();
let following = last >= end && !/[?&](before|after|around)=/.test(location.search);
let arrived = [];
let unread = 0;
let turn = 0; // Of requests: one that was overtaken is dropped.
let busy = false;
let top = 0;

function chosen() {
  const text = q.value.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  return { level: level.value, step: step.value, q: q.value, rank: level.selectedIndex, pattern: text && new RegExp(`(${text})`, "iu") };
}

const filtered = () => Boolean(filter.level || filter.step || filter.q);
const seq = (row) => Number(row.id.slice(1));
const row = (line) => document.getElementById("L" + line);
const below = () => list.scrollHeight - list.clientHeight - list.scrollTop;
const target = () => Number(/^#L(\d{1,9})$/.exec(location.hash)?.[1] ?? 0);

function address(place) {
  const given = { level: filter.level, step: filter.step, q: filter.q, ...place };
  return "?" + new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""));
}

function passes(line) {
  if (filter.rank && [...level.options].findIndex((option) => option.value === line.level) < filter.rank) return false;
  if (filter.step && line.step !== (filter.step === "-" ? "" : filter.step)) return false;
  return !filter.pattern || filter.pattern.test(line.text);
}

function made(line) {
  const item = model.cloneNode(true);
  const put = (name, ...content) => item.querySelector("." + name).replaceChildren(...content);
  const mark = (text) => Object.assign(document.createElement("mark"), { textContent: text });
  item.id = "L" + line.seq;
  item.dataset.level = line.level;
  item.querySelector(".seq").href = `?around=${line.seq}#L${line.seq}`;
  item.querySelector(".at").dateTime = line.at;
  put("seq", line.seq);
  put("level", line.level);
  put("step", line.step + (line.attempt > 1 ? " #" + line.attempt : ""));
  // The pattern is a group: what it finds stays among the pieces, at the odd places.
  put("text", ...(filter.pattern ? line.text.split(filter.pattern) : [line.text]).map((text, n) => (n % 2 ? mark(text) : text)));
  return item;
}

// What is said around the rows, after every change of the window.
function update() {
  links.earlier.hidden = first <= 1;
  links.later.hidden = last >= end;
  links.all.hidden = !filtered();
  const places = { first: { after: 0 }, earlier: { before: first }, later: { after: last }, newest: {} };
  for (const [name, place] of Object.entries(places)) links[name].href = address(place) + "#log";
  const [from, to, all, rows] = [first, last, end, list.childElementCount].map((number) => number.toLocaleString("en"));
  found.textContent = filtered() ? `Searched lines ${from} to ${to} of ${all}: ${rows} found` : "";
  if (following) unread = 0;
  follow.ariaPressed = following;
  pill.hidden = !unread;
  pill.textContent = unread.toLocaleString("en") + (unread === 1 ? " new line ↓" : " new lines ↓");
  const [pointed, before] = [row(target()), list.querySelector("[aria-current]")];
  if (pointed === before) return;
  before?.removeAttribute("aria-current");
  pointed?.setAttribute("aria-current", "true");
}

function scroll(to) {
  list.scrollTop = to;
  top = list.scrollTop; // The event that follows isn't taken for somebody's hand.
}

// Adds rows at one edge and drops what is too many at the other; what one reads stays where it is.
function add(rows, upward) {
  const [near, far] = upward ? ["firstElementChild", "lastElementChild"] : ["lastElementChild", "firstElementChild"];
  const edge = list[near];
  const before = edge?.getBoundingClientRect().top;
  list[upward ? "prepend" : "append"](...rows);
  while (list.childElementCount > MOST_ROWS) {
    list[far].remove();
    if (upward) last = seq(list[far]);
    else first = seq(list[far]);
  }
  if (following) scroll(list.scrollHeight);
  else if (edge?.isConnected) scroll(list.scrollTop + edge.getBoundingClientRect().top - before);
}

// The log at a place; null when it doesn't come, or isn't wanted any more.
async function piece(place) {
  const mine = ++turn;
  busy = true;
  try {
    const answer = await fetch(list.dataset.lines + address(place), { redirect: "error" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("log");
    if (mine !== turn) return null;
    localize(fresh);
    end = Math.max(end, span(fresh).end);
    return { rows: [...fresh.children], first: span(fresh).first, last: span(fresh).last };
  } catch {
    if (mine === turn) found.textContent = LOST;
    return null;
  } finally {
    if (mine === turn) busy = false;
  }
}

// Fetches what one is about to reach, until there is enough of it or nothing left.
async function extend() {
  const upward = first > 1 && list.scrollTop < NEAR;
  if (busy || !(upward || (last < end && below() < NEAR))) return;
  const more = await piece(upward ? { before: first } : { after: last });
  if (!more) return;
  if (upward) first = more.first;
  else last = more.last;
  add(more.rows, upward);
  update();
  extend();
}

// The window somewhere else: at the log's end, its beginning or around a line.
async function move(place) {
  const fresh = await piece(place);
  if (!fresh) return;
  ({ first, last } = fresh);
  list.replaceChildren(...fresh.rows);
  following = Object.keys(place).length === 0;
  if (place.around) return point(place.around);
  unread = 0;
  stay(following, following ? list.scrollHeight : 0);
}

const newest = () => (last < end ? move({}) : stay(true, list.scrollHeight));
const oldest = () => (first > 1 ? move({ after: 0 }) : stay(false, 0));

function stay(follows, at) {
  following = follows;
  scroll(at);
  update();
  extend();
}

function point(line) {
  const place = row(line) ?? [...list.children].find((item) => seq(item) > line);
  stay(false, place ? place.offsetTop - (list.clientHeight - place.offsetHeight) / 2 : list.scrollTop);
}

const show = () => target() && (row(target()) ? point(target()) : move({ around: target() }));

function apply() {
  filter = chosen();
  history.replaceState(null, "", address() + "#log");
  move({});
}

// Lines that came, all at once.
function arrive() {
  const rows = [];
  for (const line of arrived) {
    end = Math.max(end, line.seq);
    if (line.seq <= last) continue;
    const goes = passes(line);
    // A window that isn't at the end, or is full of what somebody reads, only counts them.
    if (line.seq === last + 1 && (following || list.childElementCount + rows.length < MOST_ROWS)) {
      last = line.seq;
      if (goes) rows.push(line);
    }
    if (goes) unread += 1;
  }
  arrived = [];
  const fragment = document.createDocumentFragment();
  fragment.append(...rows.slice(-MOST_ROWS).map(made));
  localize(fragment);
  if (rows.length) add(fragment.children, false);
  update();
  extend();
}

function listen(after) {
  const source = new EventSource(list.dataset.stream + "?after=" + after);
  const say = (word) => { connection.textContent = connection.dataset.state = word; };
  source.onopen = () => { say("live"); refresh(); };
  source.addEventListener("line", (event) => {
    const line = JSON.parse(event.data);
    after = Math.max(after, line.seq);
    // One repaint for all that come together; a hidden tab gets no animation frames.
    if (arrived.push(line) === 1) (document.hidden ? setTimeout : requestAnimationFrame)(arrive, 0);
  });
  source.addEventListener("state", refresh);
  source.addEventListener("end", () => { source.close(); say(""); follow.hidden = true; refresh(); });
  source.onerror = () => {
    say("reconnecting…");
    // Closed for good: an error page instead of a stream, such as a restart behind a proxy. Try again from here.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS, after);
  };
}

const GO = {
  first: oldest,
  newest,
  earlier: () => stay(false, 0),
  later: () => stay(false, list.scrollHeight),
  all() { level.value = step.value = q.value = ""; apply(); },
};

list.addEventListener("scroll", () => {
  if (last >= end && below() < 8) following = true;
  else if (list.scrollTop < top) following = false;
  top = list.scrollTop;
  update();
  extend();
});
addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-go], a[data-step], #log .seq");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const { go, step: name } = link.dataset;
  // While a filter holds, a line's number leads to the line among all the others: to a page without the filter.
  if (!go && !name && filtered()) return;
  event.preventDefault();
  if (go) return GO[go]();
  if (!name) {
    history.replaceState(null, "", link.href);
    return update();
  }
  step.value = name;
  form.scrollIntoView();
  apply();
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key === "f" && !follow.hidden && !event.target.closest?.("input, textarea, select")) return follow.click();
  const act = event.target === list && { Home: oldest, End: newest }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
addEventListener("hashchange", show);
pill.addEventListener("click", () => { newest(); list.focus(); });
follow.addEventListener("click", () => (following ? stay(false, list.scrollTop) : newest()));

let typing = 0;
form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, TYPING_MS); });
form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); apply(); });

function setWrap(on) {
  list.classList.toggle("flat", !on);
  wrap.ariaPressed = on;
  if (following) scroll(list.scrollHeight);
}
wrap.addEventListener("click", () => {
  const on = wrap.ariaPressed !== "true";
  setWrap(on);
  try { localStorage.setItem("log-wrap", on); } catch { /* Remembered by no browser that forbids it. */ }
});
try { setWrap(localStorage.getItem("log-wrap") !== "false"); } catch { setWrap(true); }

wrap.hidden = false;
follow.hidden = !list.dataset.stream;
if (following) scroll(list.scrollHeight);
show();
update();
extend();
if (list.dataset.stream) listen(end);
