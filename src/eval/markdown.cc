// SPDX-License-Identifier: Apache-2.0
#include "eval/document.h"

namespace weft::eval {
namespace {

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Text inside a table: what Markdown would read as structure or as HTML is escaped. Not more, since
// people read it on a terminal too: an underscore inside a word is one in CommonMark.
std::string cell_text(std::string_view text) {
  constexpr std::string_view kMarks = "\\`*[<|~&";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || c == '\r' || c == '\t') {
      out += ' ';
      continue;
    }
    const bool inside =
        i > 0 && i + 1 < text.size() && is_word(text[i - 1]) && is_word(text[i + 1]);
    if (kMarks.find(c) != std::string_view::npos || (c == '_' && !inside)) out += '\\';
    out += c;
  }
  return out;
}

void add_table(std::string& out, const Table& table) {
  if (table.header.empty()) return;
  out += '|';
  for (const std::string& name : table.header) out += ' ' + cell_text(name) + " |";
  out += "\n|";
  for (size_t i = 0; i < table.header.size(); ++i) {
    out += i < table.text_columns ? " --- |" : " ---: |";
  }
  out += '\n';
  for (const auto& row : table.rows) {
    out += '|';
    for (const Cell& cell : row) {
      const bool strong = cell.tone != Tone::kPlain && !cell.text.empty();
      const std::string text = cell_text(cell.text);
      out += ' ' + (strong ? "**" + text + "**" : text) + " |";
    }
    out += '\n';
  }
  out += '\n';
}

}  // namespace

std::string markdown(const Document& document) {
  std::string out = "# " + cell_text(document.title) + "\n\n";
  for (const Section& section : document.sections) {
    if (!section.title.empty()) out += "## " + cell_text(section.title) + "\n\n";
    if (!section.text.empty()) out += cell_text(section.text) + "\n\n";
    add_table(out, section.table);
  }
  return out;
}

}  // namespace weft::eval
