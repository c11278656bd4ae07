// SPDX-License-Identifier: Apache-2.0
// Two languages, both part of the first load: together they are smaller than one picture.
import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { en } from "./locales/en";
import { ko } from "./locales/ko";
import { loadKorean } from "./told";

export type Language = "ko" | "en";
const KEY = "weft.language";

function initial(): Language {
  const stored = localStorage.getItem(KEY);
  if (stored === "ko" || stored === "en") return stored;
  return navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en";
}

void i18next.use(initReactI18next).init({
  lng: initial(),
  fallbackLng: "en",
  keySeparator: false,
  nsSeparator: false,
  resources: { en: { translation: en }, ko: { translation: ko } },
  interpolation: { escapeValue: false }, // React escapes
  showSupportNotice: false,
} as Parameters<typeof i18next.init>[0]);
document.documentElement.lang = i18next.language;

/** What the first page needs. */
export const languageReady = i18next.language === "ko" ? loadKorean() : Promise.resolve();

export async function setLanguage(language: Language) {
  localStorage.setItem(KEY, language);
  if (language === "ko") await loadKorean();
  await i18next.changeLanguage(language);
  document.documentElement.lang = language;
}
