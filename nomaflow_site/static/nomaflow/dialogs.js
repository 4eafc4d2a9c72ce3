// A link to a page with a form opens that form in a dialog instead; what is wrong with it is shown in it. The server knows nothing of this.
import { localize } from "./times.js";

let dialog = null;

function put(html) {
  const form = new DOMParser().parseFromString(html, "text/html").querySelector("form[data-dialog-form]");
  if (!form) return false;
  if (!dialog) {
    dialog = Object.assign(document.createElement("dialog"), { className: "window wide" });
    dialog.setAttribute("aria-labelledby", "dialog-heading");
    document.body.append(dialog);
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog || event.target.closest("[data-close]")) {
        event.preventDefault();
        dialog.close();
      }
    });
    dialog.addEventListener("submit", send);
    dialog.addEventListener("change", (event) => event.target.matches("[data-reload]") && reload(event.target.form, event.target.name));
  }
  dialog.replaceChildren(form);
  localize(form);
  if (!dialog.open) dialog.showModal();
  form.querySelector("[aria-invalid=true], [autofocus], input:not([type=hidden]), select, textarea, button")?.focus();
  return true;
}

async function get(url, options) {
  const answer = await fetch(url, options);
  // A redirect leads to what was started.
  if (answer.redirected && options?.method) location.href = answer.url;
  else if (!put(await answer.text())) location.href = url;
}

function send(event) {
  event.preventDefault();
  const form = event.target;
  event.submitter?.setAttribute("aria-busy", "true");
  get(form.action, { method: "POST", body: new FormData(form, event.submitter) }).catch(() => {
    // It may have arrived all the same: sending it again by itself could start a second run.
    const text = "No answer from the server. Look whether the run has started before you try again.";
    form.prepend(Object.assign(document.createElement("p"), { className: "refusal", role: "alert", textContent: text }));
    event.submitter?.removeAttribute("aria-busy");
    delete form.dataset.sent;
  });
}

function reload(form, name) {
  const url = new URL(form.action);
  url.searchParams.set(name, form.elements[name].value);
  get(url).then(() => dialog.querySelector(`[name="${name}"]`)?.focus());
}

addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-dialog]");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  get(link.href).catch(() => { location.href = link.href; });
});

// On the form's own page a choice that changes the other fields asks for it anew.
addEventListener("change", (event) => {
  if (!event.target.matches?.("[data-reload]") || dialog?.contains(event.target)) return;
  const url = new URL(event.target.form.action);
  url.searchParams.set(event.target.name, event.target.value);
  location.href = url;
});
