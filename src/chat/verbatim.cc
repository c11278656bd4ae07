// SPDX-License-Identifier: Apache-2.0
#include "chat/verbatim.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>

#include "base/strings.h"
#include "schema/regex.h"
#include "schema/validator.h"
#include "text/unicode.h"

namespace weft::chat {
namespace {

constexpr std::array<size_t, 4> kWords = {6, 3, 2, 1};  // of one field, at most
constexpr size_t kTextsMax = 2'000;     // to choose among
constexpr size_t kBytesMax = 256;       // of one text
constexpr size_t kConversationMax = size_t{512} << 10;

constexpr std::array<std::string_view, 5> kMaps = {"properties", "patternProperties", "$defs",
                                                   "definitions", "dependentSchemas"};
constexpr std::array<std::string_view, 4> kLists = {"prefixItems", "allOf", "anyOf", "oneOf"};
constexpr std::array<std::string_view, 11> kSingles = {
    "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
    "unevaluatedItems", "unevaluatedProperties", "contentSchema"};

template <size_t kCount>
bool among(const std::array<std::string_view, kCount>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// A copy of the schema in which `mark` has rewritten each marked subschema, keyword removed.
class Rewriter {
 public:
  using Mark = std::function<Result<json::Value>(json::Object, const std::string& place)>;
  explicit Rewriter(Mark mark) : mark_(std::move(mark)) {}

  Result<json::Value> schema(const json::Value& value, const std::string& place) const {
    if (!value.is_object()) return value;
    json::Object out;
    bool marked = false;
    for (const auto& [name, inner] : value.get_object()) {
      const std::string at = fmt::format("{}/{}", place, std::string_view(name));
      if (std::string_view(name) == kVerbatim) {
        if (!inner.is_bool()) {
          return make_error("E0301", fmt::format("{}: expected true or false, found {}", at,
                                                 json::kind_name(inner)));
        }
        marked = inner.get_bool();
        continue;
      }
      out[name] = TRY(keyword(name, inner, at));
    }
    if (marked) return mark_(std::move(out), place);
    return json::Value(std::move(out));
  }

 private:
  Result<json::Value> keyword(std::string_view name, const json::Value& value,
                              const std::string& place) const {
    if (among(kSingles, name)) return schema(value, place);
    if (among(kMaps, name) && value.is_object()) {
      json::Object out;
      for (const auto& [key, inner] : value.get_object()) {
        out[key] = TRY(schema(inner, fmt::format("{}/{}", place, std::string_view(key))));
      }
      return json::Value(std::move(out));
    }
    if (among(kLists, name) && value.is_array()) {
      json::Array out;
      for (const json::Value& inner : value.get_array()) {
        out.push_back(TRY(schema(inner, fmt::format("{}/{}", place, out.size()))));
      }
      return json::Value(std::move(out));
    }
    return value;
  }

  Mark mark_;
};

// Judges a text, or the number that it spells, by what the field says beside the keyword. (What is
// a regular expression is not judged here: each would be compiled.)
class Field {
 public:
  static constexpr std::array<std::string_view, 10> kJudged = {
      "type", "pattern", "format", "minLength", "maxLength", "minimum", "maximum",
      "exclusiveMinimum", "exclusiveMaximum", "multipleOf"};

  static Result<Field> of(const json::Object& keywords, CopySource& source) {
    json::Object local;
    for (const std::string_view name : kJudged) {
      const json::Value* found = keywords.if_contains(name);
      if (found != nullptr && *found != "regex") local[name] = *found;
    }
    schema::ParseOptions options;
    options.assert_formats = true;
    Field out(TRY(schema::Schema::parse(json::Value(local), options)), source);
    if (const json::Value* pattern = local.if_contains("pattern")) {  // paid for by the step
      out.pattern_ = TRY(schema::Regex::compile(pattern->get_string()));
      local.erase("pattern");
      out.schema_ = TRY(schema::Schema::parse(json::Value(std::move(local)), options));
    }
    return out;
  }

  std::optional<json::Value> value_of(std::string_view text) {
    if (json::Value said(text); fits(said) && matches(text)) return said;
    const uint8_t types = schema_.node(schema_.root()).types;
    if ((types & (schema::kNumber | schema::kInteger)) == 0) return std::nullopt;
    auto number = json::parse(text);
    if (!number.ok() || !number->is_number() || !fits(*number)) return std::nullopt;
    return std::move(number).value();
  }

 private:
  Field(schema::Schema schema, CopySource& source) : schema_(std::move(schema)), source_(source) {}
  bool fits(const json::Value& value) const {
    return schema::is_valid_at(schema_, schema_.root(), value);
  }
  bool matches(std::string_view text) {
    if (!pattern_) return true;
    const auto found = pattern_->searched(text);
    source_.pattern_steps_left -= std::min(source_.pattern_steps_left, found.steps);
    return found.match == schema::Regex::Match::kYes;
  }

  schema::Schema schema_;
  std::optional<schema::Regex> pattern_;
  CopySource& source_;
};

// The texts to choose among, or nothing if there are too many runs of so many words.
std::optional<json::Array> choices_of(Field& field, CopySource& source, size_t words) {
  std::set<std::string_view> seen;
  json::Array out;
  bool enough = false;
  for (const text::WordRuns& text : source.texts) {
    source.looks_left -= std::min(source.looks_left, 1 + text.words() / 8);
    if (source.exhausted()) return std::nullopt;
    text.for_each(words, kBytesMax, [&](std::string_view run) {
      --source.looks_left;
      if (seen.insert(run).second) {
        if (auto value = field.value_of(run)) out.push_back(std::move(*value));
      }
      enough = source.exhausted() || out.size() > kTextsMax;
      return !enough;
    });
    if (enough) return std::nullopt;
  }
  return out;
}

Result<json::Value> chosen_from(CopySource& source, json::Object keywords,
                                const std::string& place) {
  auto made = Field::of(keywords, source);
  if (!made.ok()) return in_context(std::move(made).error(), place);
  for (const size_t words : kWords) {
    auto choices = choices_of(*made, source, words);
    if (source.exhausted()) break;
    if (!choices) continue;
    if (choices->empty()) {
      source.without_choice = true;
      return json::Value(false);
    }
    for (const std::string_view name : Field::kJudged) {
      if (name != "type") keywords.erase(name);
    }
    keywords["enum"] = std::move(*choices);
    return json::Value(std::move(keywords));
  }
  return make_error("E0323",
                    fmt::format("{}: the conversation has more than {} words that could be copied",
                                place, kTextsMax),
                    "shorten the conversation, or narrow the field by pattern, format or length");
}

}  // namespace

bool asks_verbatim(const json::Value& schema) {
  return json::dump(schema).find(kVerbatim) != std::string::npos;
}

Result<CopySource> CopySource::of(const json::Array& messages) {
  CopySource out;
  size_t bytes = 0;
  for (const Message& message : TRY(parse_messages(messages))) {
    const bool counts = message.role == "user" || message.role == "tool";
    if (!counts || !message.content) continue;
    bytes += message.content->size();
    if (bytes > kConversationMax) {
      return make_error("E0323",
                        fmt::format("messages: more than {} bytes, too many to copy from",
                                    kConversationMax),
                        fmt::format("shorten them, or leave {} away", kVerbatim));
    }
    out.texts.emplace_back(text::repair_utf8(*message.content));
  }
  return out;
}

Result<json::Value> bound_to(const json::Value& schema, CopySource& source) {
  source.without_choice = false;
  const Rewriter rewriter([&](json::Object keywords, const std::string& place) {
    return chosen_from(source, std::move(keywords), place);
  });
  return rewriter.schema(schema, "#");
}

Result<json::Value> bound_to(const json::Value& schema, const json::Array& messages) {
  CopySource source = TRY(CopySource::of(messages));
  return bound_to(schema, source);
}

json::Value without_verbatim(const json::Value& schema) {
  const Rewriter rewriter([](json::Object keywords, const std::string&) {
    return Result<json::Value>(json::Value(std::move(keywords)));
  });
  auto out = rewriter.schema(schema, "#");
  return out.ok() ? std::move(out).value() : schema;
}

json::Array tools_without_verbatim(const json::Array& tools) {
  json::Array out = tools;
  for (json::Value& tool : out) {
    json::Value* parameters = tool.is_object() ? tool.get_object().if_contains("parameters")
                                               : nullptr;
    json::Value* function = tool.is_object() ? tool.get_object().if_contains("function") : nullptr;
    if (function != nullptr && function->is_object()) {
      parameters = function->get_object().if_contains("parameters");
    }
    if (parameters != nullptr) *parameters = without_verbatim(*parameters);
  }
  return out;
}

}  // namespace weft::chat
