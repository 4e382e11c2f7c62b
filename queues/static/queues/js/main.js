// The console's script: small modules, listeners on the document, nothing inline.
import "./time.js";
import "./theme.js";
import "./live.js";
import "./pulse.js";
import "./regions.js";
import "./dialogs.js";
import "./list.js";
import "./keys.js";
import { tick } from "./time.js";

document.addEventListener("htmx:afterSettle", () => tick());
document.documentElement.dataset.ready = "";
