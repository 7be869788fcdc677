import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { App } from "./app";
import { applyTheme } from "./lib/theme";

applyTheme();
// Where Alertmanager's own page would be, which the templates of its notifications lead to.
if (/^#\/(alerts|silences)/.test(location.hash)) history.replaceState(null, "", "/alerts");
const root = document.getElementById("app");
if (root) render(<App />, root);
