// SPDX-License-Identifier: Apache-2.0
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` serves the pages with the API of a running `weft serve` (WEFT_URL) behind them.
const server = process.env.WEFT_URL ?? "http://127.0.0.1:8700";
const api = ["/overview", "/workflows", "/definitions", "/approvals", "/models", "/tools", "/audit",
  "/keys", "/v1", "/tokenize", "/detokenize", "/health"];

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: ".built/dist",
    target: "es2022",
    assetsInlineLimit: 0, // nothing inline: the content security policy forbids it
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: Object.fromEntries(api.map((path) => [path, server])) },
});
