// SPDX-License-Identifier: Apache-2.0
#include "workflow/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <istream>
#include <streambuf>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "workflow/core_schema.h"

namespace weft::workflow {

using Kind = YamlTree::Kind;

namespace {

constexpr size_t kKeyBytesMax = 1'000;  // with its quotes and escapes

class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view view) {
    char* data = const_cast<char*>(view.data());
    setg(data, data, data + view.size());
  }
};

// yaml-cpp reads no escaped surrogate pairs, and takes tabs of JSON's white space amiss. A JSON
// document is brought into the form that it does read; columns behind a pair shift by two.
std::string json_as_yaml(std::string_view text) {
  std::string out(text);
  const auto hex4 = [&](size_t at) -> int {
    unsigned value = 0;
    if (at + 4 > out.size()) return -1;
    const auto [end, error] = std::from_chars(out.data() + at, out.data() + at + 4, value, 16);
    return error == std::errc() && end == out.data() + at + 4 ? static_cast<int>(value) : -1;
  };
  size_t to = 0;
  for (size_t i = 0; i < out.size();) {
    if (out[i] == '\\' && i + 1 < out.size() && out[i + 1] == 'u') {
      const int high = hex4(i + 2);
      const bool pair = i + 11 < out.size() && out[i + 6] == '\\' && out[i + 7] == 'u';
      const int low = pair ? hex4(i + 8) : -1;
      if (high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
        const int code = 0x10000 + (high - 0xd800) * 0x400 + (low - 0xdc00);
        const std::string written = fmt::format("\\U{:08x}", code);
        std::copy(written.begin(), written.end(), out.begin() + static_cast<ptrdiff_t>(to));
        to += written.size();
        i += 12;
        continue;
      }
    }
    const bool escape = out[i] == '\\' && i + 1 < out.size();
    out[to++] = out[i] == '\t' ? ' ' : out[i];
    ++i;
    if (escape) out[to++] = out[i++];
  }
  out.resize(to);
  return out;
}

std::string_view line_of(std::string_view text, int line) {
  size_t begin = 0;
  for (int i = 1; i < line && begin != std::string_view::npos; ++i) {
    begin = text.find('\n', begin);
    if (begin != std::string_view::npos) ++begin;
  }
  if (begin == std::string_view::npos || begin > text.size()) return {};
  return text.substr(begin, text.find('\n', begin) - begin);
}

bool inside_quotes(std::string_view line, size_t at) {
  char open = 0;
  for (size_t i = 0; i < at && i < line.size(); ++i) {
    if (open == 0 && (line[i] == '"' || line[i] == '\'')) {
      open = line[i];
    } else if (line[i] == open) {
      open = 0;
    }
  }
  return open != 0;
}

// What the events refuse; caught in parse() below.
struct Refused {
  std::string code;
  Place place;
  std::string message;
  std::string hint;
};

}  // namespace

std::string quoted_line(std::string_view line) {
  const size_t open = line.find("{{");
  if (open == std::string_view::npos) return {};
  // Within brackets the braces at the end may be theirs.
  const bool flow = line.substr(0, open).find_first_of("{[") != std::string_view::npos;
  const size_t close = flow ? line.find("}}", open) : line.rfind("}}");
  if (close == std::string_view::npos || close < open) return {};
  if (inside_quotes(line, open)) return {};
  const size_t colon = line.substr(0, open).find(": ");
  const size_t dash = line.substr(0, open).find("- ");
  size_t begin = open;
  size_t end = close + 2;
  const size_t marker = std::min(colon, dash);
  if (marker != std::string_view::npos && !flow) {
    begin = colon != std::string_view::npos ? colon + 2 : dash + 2;
    const size_t comment = line.find(" #", end);
    end = begin + trim(line.substr(begin, comment - begin)).size();
  }
  std::string value(line.substr(begin, end - begin));
  const bool single = value.find('"') != std::string::npos;
  if (single) {
    for (size_t i = 0; (i = value.find('\'', i)) != std::string::npos; i += 2) value.insert(i, "'");
  }
  const char quote = single ? '\'' : '"';
  const auto before = line.substr(0, begin);
  const size_t indent = before.find_first_not_of(' ');
  return fmt::format("{}{}{}{}{}", before.substr(std::min(indent, before.size())), quote, value,
                     quote, line.substr(end));
}

// Hears yaml-cpp's events and lays out the cells. Children are linked as they come: of every open
// node it keeps the last child.
class YamlBuilder final : public YAML::EventHandler {
 public:
  YamlBuilder(YamlTree& tree, std::string_view text, Problems& problems, const YamlLimits& limits)
      : tree_(tree), text_(text), problems_(problems), limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      refuse("E0401", mark, "expected one document, found a second one",
             "put each workflow into a file of its own, without '---' between");
    }
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, Kind::kNull, "", anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag.empty() || tag == "?";
    if (plain && value == "<<" && !stack_.empty() && stack_.back().key_next) {
      problems_.add("E0410", place(mark), "merge keys (<<) are not read",
                    "write the members out, or use an alias for a whole value (key: *name); a "
                    "member of that name needs quotes");
    }
    scalar(mark, kind_of(mark, tag, value), value, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && !tag.empty() && tag != "tag:yaml.org,2002:seq") {
      bad_tag(mark, tag);
    }
    open(mark, Kind::kList, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    if (tag != "?" && tag != "!" && !tag.empty() && tag != "tag:yaml.org,2002:map") {
      bad_tag(mark, tag);
    }
    open(mark, Kind::kMapping, anchor);
  }
  void OnMapEnd() override { close(); }

  Place place(const YAML::Mark& mark);

 private:
  // How much a node stands for, aliases expanded.
  struct Extent {
    uint64_t values = 1;              // nodes, keys not counted
    uint64_t bytes = 0;               // of all texts, keys included
    int height = 0;                   // levels
  };
  struct Open {
    uint32_t cell;
    uint32_t last = YamlTree::kNone;  // last child
    uint32_t pairs = 0;               // of a mapping, so far
    bool key_next = false;            // a mapping: the next child is a key
    YAML::anchor_t anchor = 0;
    Extent extent = {.height = 1};    // of what is in it so far, itself included
    std::unordered_set<std::string_view> keys = {};  // of long mappings; views of interned text
  };
  struct Anchored {
    uint32_t cell;
    Extent extent;
  };
  // How far place() has come: marks come in the order of the text, nearly always.
  struct Cursor {
    int line = 0;          // from 0
    size_t line_begin = 0;
    int column = 0;        // bytes
    int inner = 0;         // bytes before it in the line that do not begin a character
  };

  [[noreturn]] void refuse(std::string code, const YAML::Mark& mark, std::string message,
                           std::string hint) {
    throw Refused{std::move(code), place(mark), std::move(message), std::move(hint)};
  }
  [[noreturn]] void bad_tag(const YAML::Mark& mark, const std::string& tag) {
    refuse("E0401", mark, fmt::format("expected a value without a tag, found {}", quoted(tag)),
           "of tags only those of JSON's kinds are read: !!str, !!int, !!float, !!bool, !!null");
  }
  Kind kind_of(const YAML::Mark& mark, const std::string& tag, const std::string& value);
  void scalar(const YAML::Mark& mark, Kind kind, const std::string& value, YAML::anchor_t anchor);
  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor);
  void close();
  uint32_t add(const YAML::Mark& mark, YamlTree::Cell cell, const Extent& extent);
  void count(const YAML::Mark& mark, const Extent& extent, bool is_key);
  void check_depth(const YAML::Mark& mark, int height);
  void check_key(const YAML::Mark& mark, const YamlTree::Cell& cell);
  void check_key_size(const YAML::Mark& mark, std::string_view name);
  std::string_view view(const YamlTree::Cell& cell) const {
    return tree_.stored(cell.first);
  }

  YamlTree& tree_;
  std::string_view text_;
  Problems& problems_;
  const YamlLimits& limits_;
  Cursor cursor_;
  int documents_ = 0;
  uint64_t values_ = 0;
  uint64_t bytes_ = 0;
  std::vector<Open> stack_;
  std::unordered_map<YAML::anchor_t, Anchored> anchors_;
  std::unordered_map<std::string, uint32_t> interned_;  // key -> where it lies in text_
};

// yaml-cpp counts lines from 0 and columns in bytes.
Place YamlBuilder::place(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  Cursor& c = cursor_;
  if (mark.line < c.line) c = Cursor();
  while (c.line < mark.line) {
    const size_t end = text_.find('\n', c.line_begin);
    if (end == std::string_view::npos) break;
    c = {c.line + 1, end + 1, 0, 0};
  }
  if (mark.column < c.column) c.column = c.inner = 0;
  while (c.column < mark.column) {
    const size_t at = c.line_begin + static_cast<size_t>(c.column++);
    c.inner += at < text_.size() && (text_[at] & 0xc0) == 0x80 ? 1 : 0;
  }
  return {mark.line + 1, mark.column - c.inner + 1};
}

Kind YamlBuilder::kind_of(const YAML::Mark& mark, const std::string& tag,
                          const std::string& value) {
  if (tag == "!" || tag == "tag:yaml.org,2002:str") return Kind::kText;
  const Kind kind = core_kind(value);
  if (is_core_infinity(value) || (kind == Kind::kFloat && !core_double(value))) {
    refuse("E0401", mark, fmt::format("expected a number that JSON can hold, found {}", value),
           "put quotes around it to make it text");
  }
  if (tag.empty() || tag == "?") return kind;
  const bool as_said = (tag == "tag:yaml.org,2002:int" && kind == Kind::kInteger) ||
                       (tag == "tag:yaml.org,2002:float" && kind == Kind::kFloat) ||
                       (tag == "tag:yaml.org,2002:bool" && kind == Kind::kBoolean) ||
                       (tag == "tag:yaml.org,2002:null" && kind == Kind::kNull);
  if (!as_said) bad_tag(mark, tag);
  return kind;
}

// yaml-cpp looks for the colon of a plain mapping within 1,024 bytes: a longer key, which only the
// form with '?' can have, would be lost in the canonical form of its document.
void YamlBuilder::check_key_size(const YAML::Mark& mark, std::string_view name) {
  if (name.size() * 6 <= kKeyBytesMax) return;  // no escape is longer
  std::string written;
  json::append_quoted(written, name);
  if (written.size() <= kKeyBytesMax) return;
  refuse("E0404", mark,
         fmt::format("expected a key of at most {} bytes as JSON writes it, found {}",
                     kKeyBytesMax, written.size()),
         "keys of workflow documents are names; put long texts into values");
}

void YamlBuilder::check_key(const YAML::Mark& mark, const YamlTree::Cell& cell) {
  if (cell.kind == Kind::kMapping || cell.kind == Kind::kList) {
    const std::string right = quoted_line(line_of(text_, place(mark).line));
    refuse("E0403", mark, "expected a name as key, found a mapping or list",
           right.empty() ? "keys of workflow documents are plain names"
                         : "an expression needs quotes around it: write\n      " + right);
  }
  const auto name = view(cell);
  check_key_size(mark, name);
  // Up to eight keys a comparison with each is quicker than a set.
  Open& parent = stack_.back();
  bool twice = false;
  const YamlTree::Cell& mapping = tree_.cells_[parent.cell];
  if (parent.pairs < 8) {
    for (uint32_t at = mapping.first; at != YamlTree::kNone;) {
      twice = twice || view(tree_.cells_[at]) == name;
      at = tree_.cells_[tree_.cells_[at].next].next;
    }
  } else {
    if (parent.keys.empty()) {
      for (uint32_t at = mapping.first; at != YamlTree::kNone;) {
        const std::string key(view(tree_.cells_[at]));
        parent.keys.insert(interned_.find(key)->first);
        at = tree_.cells_[tree_.cells_[at].next].next;
      }
    }
    twice = !parent.keys.insert(interned_.find(std::string(name))->first).second;
  }
  if (twice) {
    problems_.add("E0402", place(mark), fmt::format("key {} stands twice in one mapping",
                                                    quoted(name)),
                  "remove one of the two");
  }
}

void YamlBuilder::check_depth(const YAML::Mark& mark, int height) {
  if (static_cast<int>(stack_.size()) + height <= limits_.depth_max) return;
  refuse("E0404", mark,
         fmt::format("expected nesting of at most {} levels, found more", limits_.depth_max),
         "look for a bracket that is never closed");
}

// Whoever walks the tree, or writes it down, does so with all aliases expanded.
void YamlBuilder::count(const YAML::Mark& mark, const Extent& extent, bool is_key) {
  if (!is_key) values_ += extent.values;
  bytes_ += extent.bytes;
  if (values_ <= limits_.nodes_max && bytes_ <= limits_.bytes_max) return;
  const bool many = values_ > limits_.nodes_max;
  refuse("E0404", mark,
         fmt::format("expected at most {} {}, aliases expanded; found more",
                     many ? limits_.nodes_max : limits_.bytes_max,
                     many ? "values" : "bytes of text"),
         "split the workflow, or put data into a file that a step reads");
}

uint32_t YamlBuilder::add(const YAML::Mark& mark, YamlTree::Cell cell, const Extent& extent) {
  const bool is_key = !stack_.empty() && stack_.back().key_next;
  if (is_key) check_key(mark, cell);
  count(mark, extent, is_key);
  const Place at = place(mark);
  cell.line = static_cast<uint32_t>(at.line);
  cell.column = static_cast<uint32_t>(at.column);
  const auto index = static_cast<uint32_t>(tree_.cells_.size());
  tree_.cells_.push_back(cell);
  if (stack_.empty()) {
    tree_.root_ = index;
    return index;
  }
  Open& parent = stack_.back();
  YamlTree::Cell& into = tree_.cells_[parent.cell];
  if (parent.last == YamlTree::kNone) {
    into.first = index;
  } else {
    tree_.cells_[parent.last].next = index;
  }
  parent.last = index;
  if (is_key) ++parent.pairs;
  if (into.kind == Kind::kMapping) parent.key_next = !parent.key_next;
  if (!is_key) parent.extent.values += extent.values;
  parent.extent.bytes += extent.bytes;
  parent.extent.height = std::max(parent.extent.height, extent.height + 1);
  return index;
}

void YamlBuilder::scalar(const YAML::Mark& mark, Kind kind, const std::string& value,
                         YAML::anchor_t anchor) {
  if (invalid_utf8_at(value)) {  // the document was UTF-8: these are bytes of yaml-cpp's making
    refuse("E0401", mark, "expected UTF-8 in a quoted text, found the escape \\_ or \\N",
           R"(write "\u00a0" for a space that does not break, "\u0085" for a next line)");
  }
  YamlTree::Cell cell;
  cell.kind = kind;
  const bool is_key = !stack_.empty() && stack_.back().key_next;
  if (is_key) {  // the same few keys stand in every step
    const auto [entry, fresh] = interned_.try_emplace(value, 0);
    if (fresh) entry->second = tree_.store(value);
    cell.first = entry->second;
  } else {
    cell.first = tree_.store(value);
  }
  const Extent extent{.bytes = value.size()};
  const uint32_t index = add(mark, cell, extent);
  if (anchor != 0) anchors_[anchor] = {index, extent};
}

void YamlBuilder::open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor) {
  check_depth(mark, 1);
  YamlTree::Cell cell;
  cell.kind = kind;
  const uint32_t index = add(mark, cell, {.height = 1});
  stack_.push_back({.cell = index, .key_next = kind == Kind::kMapping, .anchor = anchor});
}

void YamlBuilder::close() {
  CHECK(!stack_.empty());
  const Open done = std::move(stack_.back());
  stack_.pop_back();
  if (done.anchor != 0) anchors_[done.anchor] = {done.cell, done.extent};
  if (stack_.empty()) return;
  Extent& outer = stack_.back().extent;
  outer.values += done.extent.values - 1;
  outer.bytes += done.extent.bytes;
  outer.height = std::max(outer.height, done.extent.height + 1);
}

// An alias shares the children of its anchor, so that expansion costs nothing; but it counts as
// all that it stands for, because whoever walks the tree walks it.
void YamlBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    refuse("E0401", mark,
           "expected an alias of something complete, found one inside its own anchor",
           "a value cannot contain itself");
  }
  check_depth(mark, found->second.extent.height);
  YamlTree::Cell cell = tree_.cells_[found->second.cell];
  cell.next = YamlTree::kNone;
  if (!stack_.empty() && stack_.back().key_next && cell.kind != Kind::kMapping &&
      cell.kind != Kind::kList) {
    interned_.try_emplace(std::string(view(cell)), cell.first);
  }
  add(mark, cell, found->second.extent);
}

// ---- parse -----------------------------------------------------------------------------------

namespace {

// JSON allows DEL in its strings, and the canonical form of a document may hold it.
bool acceptable_bytes(std::string_view text, bool is_json, Problems& problems,
                      const YamlLimits& limits) {
  if (text.size() > limits.bytes_max) {
    problems.add("E0404", {}, fmt::format("expected at most {} bytes, found {}", limits.bytes_max,
                                          text.size()),
                 "put data into files that steps read");
    return false;
  }
  if (const auto bad = invalid_utf8_at(text)) {
    problems.add("E0401", place_of(text, *bad),
                 fmt::format("expected UTF-8, found the byte 0x{:02x}",
                             static_cast<uint8_t>(text[*bad])),
                 "save the file as UTF-8");
    return false;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<uint8_t>(text[i]);
    if ((c >= 0x20 && (c != 0x7f || is_json)) || c == '\n' || c == '\t' || c == '\r') continue;
    problems.add("E0401", place_of(text, i),
                 fmt::format("expected text, found the control character 0x{:02x}", c),
                 "write it as an escape (\"\\x07\") in a quoted text");
    return false;
  }
  return true;
}

// Errors of yaml-cpp in our words. Those around an unquoted {{ all have the same remedy.
Problem explain(const YAML::ParserException& e, YamlBuilder& builder, std::string_view text) {
  Problem problem{"E0401", builder.place(e.mark), "not YAML: " + e.msg, ""};
  for (const int line : {problem.place.line, problem.place.line - 1}) {
    const std::string right = quoted_line(line_of(text, line));
    if (right.empty()) continue;
    problem.hint = "an expression needs quotes around it: write\n      " + right;
    return problem;
  }
  const auto line = line_of(text, problem.place.line);
  if (e.msg.find("end of map flow") != std::string::npos) {
    problem.hint = fmt::format("look for a bracket or quote that is never closed, or a key of "
                               "more than {} bytes", kKeyBytesMax);
  } else if (line.find('\t') < line.find_first_not_of(" \t")) {
    problem.hint = "indent with spaces: YAML takes no tabs there";
  } else {
    problem.hint = "check the indentation and the quotes of this line and of the one before";
  }
  return problem;
}

}  // namespace

bool YamlTree::parse(std::string_view text, YamlTree& tree, Problems& problems,
                     const YamlLimits& limits) {
  tree = YamlTree();
  constexpr std::string_view kMark = "\xef\xbb\xbf";  // of byte order
  const bool is_json = trim(text.starts_with(kMark) ? text.substr(3) : text).starts_with('{');
  if (!acceptable_bytes(text, is_json, problems, limits)) return false;
  if (text.starts_with(kMark)) text.remove_prefix(3);
  std::string rewritten;
  if (is_json) {
    rewritten = json_as_yaml(text);
    text = rewritten;
  }
  tree.text_.reserve(text.size());  // pages never touched cost nothing
  YamlBuilder builder(tree, text, problems, limits);
  const size_t before = problems.size();
  try {
    ViewBuffer buffer(text);
    std::istream in(&buffer);
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& r) {
    problems.add(r.code, r.place, r.message, r.hint);
  } catch (const YAML::ParserException& e) {
    const Problem p = explain(e, builder, text);
    problems.add(p.code, p.place, p.message, p.hint);
  } catch (const YAML::Exception& e) {
    problems.add("E0401", builder.place(e.mark), "not YAML: " + e.msg);
  }
  if (problems.size() == before && tree.cells_.empty()) {
    problems.add("E0401", {}, "expected a document, found nothing",
                 "a workflow begins with   weft: \"1\"");
  }
  return problems.size() == before;
}

}  // namespace weft::workflow
