// SPDX-License-Identifier: Apache-2.0
#include "chat/call_reader.h"

#include "base/json.h"

namespace weft::chat {
namespace {

constexpr std::string_view kName = "{\"name\": ";
constexpr std::string_view kArguments = ", \"arguments\": ";

// Behind the string that begins at `from`; npos: it has not ended.
size_t string_end(std::string_view text, size_t from) {
  for (size_t i = from + 1; i < text.size(); ++i) {
    if (text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      return i + 1;
  }
  return std::string_view::npos;
}

}  // namespace

void append_piece(std::vector<CallPiece>& pieces, const CallPiece& piece) {
  if (pieces.empty() || pieces.back().index != piece.index) return pieces.push_back(piece);
  pieces.back().arguments += piece.arguments;
  pieces.back().done = piece.done;
}

// The grammar wrote it so, spaces included.
bool CallReader::read_head() {
  const size_t name = text_.find('{') + kName.size();
  if (text_.find('{') == text_.npos || text_.size() <= name) return false;
  const size_t end = string_end(text_, name);
  if (end == text_.npos || text_.size() < end + kArguments.size()) return false;
  const auto read = json::parse(std::string_view(text_).substr(name, end - name));
  CHECK(read.ok() && read->is_string(), "no call of the grammar: {}", text_);
  all_.name = std::string(read->get_string());
  told_ = end + kArguments.size();
  return true;
}

// What is new of the arguments of a call in JSON.
std::string CallReader::read_json() {
  if (value_ended_ || (told_ == 0 && !read_head())) return {};
  const size_t from = told_;
  for (; told_ < text_.size(); ++told_) {
    const char c = text_[told_];
    if (in_string_) {
      in_string_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      in_string_ = true;
    } else if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      value_ended_ = --depth_ < 0;  // the call's own brace
      if (value_ended_) break;
    }
  }
  return text_.substr(from, told_ - from);
}

std::optional<CallPiece> CallReader::add(std::string_view text, const std::vector<Tool>& tools) {
  text_ += text;
  if (!held_) return std::nullopt;
  CallPiece out{.index = all_.index};
  const bool named = begun();
  if (format_ == CallFormat::kXml) {
    out.arguments = xml_.add(text, tools);
    all_.name = xml_.name();
  } else {
    out.arguments = read_json();
  }
  if (!named) out.name = all_.name;
  all_.arguments += out.arguments;
  if (out.name.empty() && out.arguments.empty()) return std::nullopt;
  return out;
}

// What was told is the call. Reading its text again could see the end of a value in XML inside of a
// string, and an object in a string that the tool's schema asks for.
std::optional<ToolCall> CallReader::call_of(const std::vector<Tool>& tools) const {
  if (!begun()) return parse_call(format_, text_, tools);
  auto arguments = json::parse(all_.arguments);
  // A number beyond what we can hold, for example: its reader may be able to.
  if (!arguments.ok()) return ToolCall{{}, all_.name, json::Value(all_.arguments)};
  return ToolCall{{}, all_.name, std::move(arguments).value()};
}

std::optional<CallReader::Whole> CallReader::close(const std::vector<Tool>& tools) const {
  std::optional<ToolCall> call = call_of(tools);
  if (!call) return std::nullopt;
  CallPiece rest{.index = all_.index, .done = true};
  if (!begun()) {
    rest.name = call->name;
    rest.arguments = call->arguments.is_string() ? std::string(call->arguments.get_string())
                                                 : json::dump(call->arguments);
  }
  return Whole{*std::move(call), std::move(rest)};
}

}  // namespace weft::chat
