// SPDX-License-Identifier: Apache-2.0
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { languageReady } from "./i18n";
import "./theme";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/pages.css";
import { App } from "./app";
import { prefetch } from "./hooks";

// who comes by the address of a run waits for its data and code at once, not one after the other
const run = /^\/ui\/runs\/([^/]+)$/.exec(location.pathname)?.[1];
if (run) {
  prefetch(`/workflows/${run}/view`);
  void import("./pages/run").catch(() => {});
}

void languageReady.then(() => createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode><App /></StrictMode>,
));
