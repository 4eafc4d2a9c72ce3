// `/` goes to the search, `?` lists the keys, `g` and a letter goes to a page.
// What "/" looks for, the page's own search first.
const SEARCHES = ["#content [data-search]", "#content input[type=search]", "#searchbar", "#nav-filter"];
let going = false;

// The menu's entries by their first letter.
function place(letter) {
  return [...document.querySelectorAll(".operate a, .top-menu a")].find((link) => link.textContent.trim()[0].toLowerCase() === letter);
}

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable]");
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  const wasGoing = going;
  going = false;
  if (wasGoing && place(event.key)) {
    place(event.key).click();
  } else if (event.key === "g") {
    going = true;
  } else if (event.key === "?") {
    document.getElementById("keys")?.showModal();
  } else if (event.key === "/") {
    const search = SEARCHES.map((search) => document.querySelector(search)).find(Boolean);
    if (search) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  }
});
