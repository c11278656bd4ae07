// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/html.h"

#include "eval/document.h"

namespace weft::eval {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --text: #1d2430; --dim: #5b6675; --page: #fbfbfc; --card: #fff;
  --line: #dfe3e8; --bar: #d6e6f9; --good: #1a7f37; --bad: #c0362c; --accent: #2463b4; }
@media (prefers-color-scheme: dark) { :root { --text: #e3e8ef; --dim: #98a3b3; --page: #14181f;
  --card: #1b2129; --line: #323b47; --bar: #25405f; --good: #56c271; --bad: #ff7b72;
  --accent: #79b0f2; } }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 72rem; background: var(--page);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; }
h2, summary { font-size: 1.1rem; font-weight: 600; margin: 2rem 0 .4rem; }
summary { cursor: pointer; color: var(--accent); }
p { color: var(--dim); margin: .2rem 0 .7rem; max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; max-width: 34rem; overflow-wrap: anywhere; white-space: pre-wrap; }
th { color: var(--dim); font-weight: 600; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.strong { font-weight: 700; }
svg { display: block; margin: .5rem 0 1rem; }
svg text { fill: var(--dim); font-size: 11px; }
@media print { details > * { display: block; } }
)";

std::string_view tone_class(Tone tone) {
  switch (tone) {
    case Tone::kGood: return "good";
    case Tone::kBad: return "bad";
    case Tone::kStrong: return "strong";
    case Tone::kPlain: break;
  }
  return "";
}

void add_cell(std::string& out, const Cell& cell, bool number) {
  const std::string_view tone = tone_class(cell.tone);
  std::string kind = number ? "n" : "";
  if (!tone.empty()) kind += (kind.empty() ? "" : " ") + std::string(tone);
  out += "<td";
  if (!kind.empty()) out += fmt::format(" class=\"{}\"", kind);
  if (cell.bar >= 0) {
    const double width = 100 * std::min(cell.bar, 1.0);
    out += fmt::format(" style=\"background:linear-gradient(90deg,var(--bar) {0:.1f}%,transparent "
                       "{0:.1f}%)\"", width);
  }
  out += '>';
  out += html_text(cell.text);
  out += "</td>";
}

void add_html_table(std::string& out, const Table& table) {
  if (table.header.empty()) return;
  out += "<div class=\"wide\"><table>\n<thead><tr>";
  for (size_t i = 0; i < table.header.size(); ++i) {
    out += i < table.text_columns ? "<th scope=\"col\">" : "<th scope=\"col\" class=\"n\">";
    out += html_text(table.header[i]);
    out += "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) add_cell(out, row[i], i >= table.text_columns);
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
}

// Share right over mean probability, a dot for each bin whose area follows its cases; the diagonal
// is where a calibrated model lies.
void add_chart(std::string& out, const Reliability& reliability) {
  constexpr double kSide = 220, kLeft = 40, kTop = 10;
  const auto x = [](double share) { return kLeft + kSide * share; };
  const auto y = [](double share) { return kTop + kSide * (1 - share); };
  out += fmt::format("<svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
                     "aria-label=\"Share right over mean probability\">\n",
                     kLeft + kSide + 20, kTop + kSide + 35);
  out += fmt::format("<rect x=\"{0}\" y=\"{1}\" width=\"{2}\" height=\"{2}\" fill=\"var(--card)\" "
                     "stroke=\"var(--line)\"/>\n", kLeft, kTop, kSide);
  out += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"var(--dim)\" "
                     "stroke-dasharray=\"4 4\"/>\n", x(0), y(0), x(1), y(1));
  for (const ReliabilityBin& bin : reliability.bins) {
    if (bin.cases == 0) continue;
    const auto n = static_cast<double>(bin.cases);
    const double share = n / static_cast<double>(reliability.cases());
    const double radius = 3 + 9 * share;
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"var(--accent)\" "
                       "fill-opacity=\".75\"><title>{} cases</title></circle>\n",
                       x(bin.probability_sum / n), y(static_cast<double>(bin.right) / n), radius,
                       bin.cases);
  }
  out += fmt::format("<text x=\"{}\" y=\"{}\">0 %</text><text x=\"{}\" y=\"{}\">100 % sure</text>"
                     "<text x=\"0\" y=\"{}\">100 %</text><text x=\"0\" y=\"{}\">right</text>\n"
                     "</svg>\n",
                     x(0), y(0) + 16, x(1) - 45, y(0) + 16, y(1) + 10, y(1) + 24);
}

void add_section(std::string& out, const Section& section) {
  if (section.folded) {
    out += "<details><summary>";
    out += html_text(section.title);
    out += "</summary>\n";
  } else if (!section.title.empty()) {
    out += "<h2>";
    out += html_text(section.title);
    out += "</h2>\n";
  }
  if (!section.text.empty()) {
    out += "<p>";
    out += html_text(section.text);
    out += "</p>\n";
  }
  if (section.chart != nullptr) add_chart(out, *section.chart);
  add_html_table(out, section.table);
  if (section.folded) out += "</details>\n";
}

}  // namespace

std::string html(const Document& document) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>";
  out += html_text(document.title);
  out += "</title>\n<style>";
  out += kStyle;
  out += "</style>\n</head>\n<body>\n<h1>";
  out += html_text(document.title);
  out += "</h1>\n";
  for (const Section& section : document.sections) add_section(out, section);
  out += "</body>\n</html>\n";
  return out;
}

}  // namespace weft::eval
