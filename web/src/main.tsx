// SPDX-License-Identifier: Apache-2.0
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./i18n";
import "./theme";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/pages.css";
import { App } from "./app";

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode><App /></StrictMode>,
);
