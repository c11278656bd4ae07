// SPDX-License-Identifier: Apache-2.0
//
// A report as a document: sections with a sentence and a table each, in the order in which a reader
// wants them. Markdown and HTML are two spellings of this one document, so they cannot disagree.
//
// Text here is plain; each spelling escapes it in its own way.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/compare.h"
#include "eval/floors.h"
#include "eval/report.h"

namespace weft::eval {

enum class Tone { kPlain, kGood, kBad, kStrong };

struct Cell {
  std::string text;
  Tone tone = Tone::kPlain;
  double bar = -1;  // a share from 0 to 1 to draw behind the text; negative: none
};

struct Table {
  std::vector<std::string> header;
  size_t text_columns = 1;  // the first ones hold text, the others numbers
  std::vector<std::vector<Cell>> rows;
};

struct Section {
  std::string title;
  std::string text;
  Table table;            // without a header: none
  bool folded = false;    // long; a page shows it on demand
  const Reliability* chart = nullptr;
};

struct Document {
  std::string title;
  std::vector<Section> sections;
};

struct DocumentOptions {
  const Comparison* comparison = nullptr;
  const std::vector<FloorOutcome>* floors = nullptr;
  size_t confusions_max = 25;  // of a field
  size_t mistakes_max = 200;
  bool details = true;         // reliability by bin; precision, recall and F1 of each label
};

// `report` and what the options point to outlive the document.
Document make_document(const Report& report, const DocumentOptions& options);

std::string markdown(const Document& document);
// One file that asks nobody for anything: no script, no outside font, style or picture.
std::string html(const Document& document);

}  // namespace weft::eval
