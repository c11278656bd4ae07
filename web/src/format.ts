// SPDX-License-Identifier: Apache-2.0
// Numbers, times and sizes as people of the current language read them.
import i18next from "i18next";

const locale = () => (i18next.language === "ko" ? "ko-KR" : "en-US");
const t = (key: string, values: Record<string, unknown> = {}) => i18next.t(key, values);

export const integer = (value: number) => new Intl.NumberFormat(locale()).format(Math.round(value));
export const fixed = (value: number, digits: number) =>
  new Intl.NumberFormat(locale(), {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  }).format(value);
export const percent = (value: number) => `${value.toFixed(1)}%`;
/** Rounded down where it is not whole, so that one failure in thousands is still seen. */
export const successPercent = (value: number) =>
  percent(value < 100 ? Math.min(value, 99.9) : value);
export const signed = (value: number, text: string) =>
  (value > 0 ? "+" : value < 0 ? "−" : "±") + text.replace(/^[-−]/, "");

/** "1.24 s", "3 m 05 s", "2 h 10 m", "4 d 3 h". */
export function duration(ms: number): string {
  if (ms < 0 || !Number.isFinite(ms)) return "–";
  const s = ms / 1000;
  if (ms < 1) return t("unit.under_ms");
  if (s < 1) return t("unit.ms", { n: Math.round(ms) });
  if (s < 60) return t("unit.s", { n: s < 10 ? s.toFixed(2) : s.toFixed(1) });
  const whole = Math.floor(s);
  const two = (value: number) => String(value).padStart(2, "0");
  if (s < 3600) return t("unit.m_s", { m: Math.floor(whole / 60), s: two(whole % 60) });
  if (s < 86400) {
    return t("unit.h_m", { h: Math.floor(whole / 3600), m: two(Math.floor((whole % 3600) / 60)) });
  }
  return t("unit.d_h", {
    d: Math.floor(whole / 86400), h: Math.floor((whole % 86400) / 3600),
  });
}

export function clock(ms: number, seconds = true): string {
  return new Intl.DateTimeFormat(locale(), {
    hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}), hour12: false,
  }).format(ms);
}
export function dateTime(ms: number): string {
  return new Intl.DateTimeFormat(locale(), {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit",
    second: "2-digit", hour12: false,
  }).format(ms);
}
/** "3 minutes ago"; times further away than a week as a date. */
export function ago(ms: number, now: number): string {
  const s = Math.round((now - ms) / 1000);
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: "auto" });
  if (s < 5) return t("unit.just_now");
  if (s < 60) return format.format(-s, "second");
  if (s < 3600) return format.format(-Math.floor(s / 60), "minute");
  if (s < 86400) return format.format(-Math.floor(s / 3600), "hour");
  if (s < 7 * 86400) return format.format(-Math.floor(s / 86400), "day");
  return dateTime(ms);
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Of a source like "/models/EXAONE-4.0-32B" or "weft-mini (embedded)". */
export function modelName(source: string | null): string {
  if (!source) return "weft";
  const plain = source.replace(/ \(.*\)$/, "").replace(/\/+$/, "");
  return plain.slice(plain.lastIndexOf("/") + 1).replace(/\.gguf$/, "");
}

/** The end of an id tells runs apart; its beginning is the time. */
export const shortId = (id: string) => (id.length > 14 ? id.slice(-8) : id);
