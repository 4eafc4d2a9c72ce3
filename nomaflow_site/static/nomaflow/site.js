// What every page does beyond its links and forms. Everything here can be missing: the pages work without.
import "./keys.js";
import { keepLive } from "./live.js";
import { localize, tick } from "./times.js";
import "./dialogs.js";

keepLive();
localize(document);
setInterval(() => document.hidden || tick(document), 1000);
