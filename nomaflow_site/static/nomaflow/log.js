// The live log.
import { refresh } from "./standing.js";

const MOST_LINES = 5000;
const RETRY_MS = 5000;

const list = document.getElementById("log");
const pill = document.getElementById("newest");
const connection = document.getElementById("connection");
const model = document.getElementById("line").content.querySelector("li");

let last = Number(list.dataset.after || 0);
let arrived = [];
let unread = 0;
let following = true;

function row(line) {
  const item = model.cloneNode(true);
  const put = (name, text) => { item.querySelector("." + name).textContent = text; };
  item.id = "L" + line.seq;
  item.dataset.level = line.level;
  item.querySelector(".seq").href = "#L" + line.seq;
  item.querySelector(".at").dateTime = line.at;
  put("seq", line.seq);
  put("at", line.at.slice(11, 23));
  put("level", line.level);
  put("step", line.step + (line.attempt > 1 ? " #" + line.attempt : ""));
  put("text", line.text);
  return item;
}

function show() {
  const rows = arrived.map(row);
  arrived = [];
  list.append(...rows);
  while (list.childElementCount > MOST_LINES) list.firstElementChild.remove();
  if (following) {
    list.scrollTop = list.scrollHeight;
  } else {
    unread += rows.length;
    pill.textContent = unread + (unread === 1 ? " new line ↓" : " new lines ↓");
    pill.hidden = false;
  }
}

function take(event) {
  const line = JSON.parse(event.data);
  if (line.seq <= last) return;
  last = line.seq;
  // One repaint for all lines that come together; a hidden tab gets no animation frames.
  if (arrived.push(line) === 1) (document.hidden ? setTimeout : requestAnimationFrame)(show, 0);
}

list.addEventListener("scroll", () => {
  following = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  if (following) { unread = 0; pill.hidden = true; }
});
pill.addEventListener("click", () => { list.scrollTop = list.scrollHeight; list.focus(); });

function listen() {
  const source = new EventSource(list.dataset.stream + "?after=" + last);
  source.onopen = () => { connection.textContent = "live"; refresh(); };
  source.addEventListener("line", take);
  source.addEventListener("state", refresh);
  source.addEventListener("end", () => { source.close(); connection.textContent = ""; refresh(); });
  source.onerror = () => {
    connection.textContent = "reconnecting…";
    // Closed for good: an error page instead of a stream, such as a restart behind a proxy. Try again from here.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
  };
}

if (list.dataset.stream && !("over" in list.dataset)) listen();
if (!location.hash && list.dataset.stream) list.scrollTop = list.scrollHeight;
