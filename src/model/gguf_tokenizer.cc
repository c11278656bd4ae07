// SPDX-License-Identifier: Apache-2.0
//
// The vocabulary in GGUF metadata as the tokenizer.json and tokenizer_config.json it came from.
// Byte-level BPE only ("gpt2"); how text is normalised and split is not in the file but named by
// `tokenizer.ggml.pre`, so the names are a table of what the models' own tokenizer.json say.
#include <fmt/format.h>

#include <array>

#include "base/json.h"
#include "base/strings.h"
#include "model/gguf_model.h"
#include "text/pretokenizer.h"

namespace weft::model {
namespace {

// tokenizer.ggml.token_type
constexpr int64_t kNormal = 1;
constexpr int64_t kControl = 3;
constexpr int64_t kUserDefined = 4;
constexpr int64_t kUnused = 5;

struct PreTokenizer {
  std::string_view name;
  std::string_view normalizer;  // or empty
  bool splits_digits;           // every digit is a word of its own, first of all
  std::string_view expression;
};
constexpr PreTokenizer kPreTokenizers[] = {
    {"qwen2", "NFC", false, text::kQwenExpression},
    {"exaone", "NFKC", false, text::kGpt2Expression},
    {"exaone4", "", false, text::kGpt2Expression},
    {"gpt-2", "", false, text::kGpt2Expression},
    {"refact", "", true, text::kGpt2Expression},  // Granite 3.x
    {"dbrx", "", false, text::kCl100kExpression}};  // Granite 4.x

Result<const PreTokenizer*> pre_tokenizer_of(const GgufMetadata& metadata) {
  const std::string key = "tokenizer.ggml.pre";
  const std::string_view name = TRY(metadata.string(key));
  std::vector<std::string> known;
  for (const PreTokenizer& pre : kPreTokenizers) {
    if (pre.name == name) return &pre;
    known.emplace_back(pre.name);
  }
  return metadata.wrong(key, fmt::format("one of {}", fmt::join(known, ", ")), quoted(name));
}

json::Object split_step(std::string_view expression) {
  return {{"type", "Split"},
          {"pattern", json::Object{{"Regex", expression}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

std::string pre_tokenizer_json(const PreTokenizer& pre) {
  json::Array steps;
  if (pre.splits_digits) steps.push_back(split_step(R"(\p{N})"));
  steps.push_back(split_step(pre.expression));
  steps.push_back(json::Object{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
  return json::dump(json::Object{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}});
}

struct Vocabulary {
  const GgufValue* tokens = nullptr;
  const GgufValue* types = nullptr;
  const GgufValue* merges = nullptr;
};

Result<const GgufValue*> array_of(const GgufModel& model, const std::string& key, bool strings) {
  const GgufMetadata metadata(model);
  const GgufValue* value = model.file().find(key);
  if (value == nullptr) return metadata.missing(key);
  const bool fits = value->is_array && (strings ? value->type == GgufType::kString
                                                : value->is_integer());
  if (!fits) {
    return metadata.wrong(key, strings ? "an array of texts" : "an array of integers",
                          fmt::format("{} {}", value->is_array ? "an array of" : "a",
                                      name_of(value->type)));
  }
  return value;
}

// Ids index the rows of the embedding: one token too many or too few shifts or cuts the language.
Result<Vocabulary> vocabulary_of(const GgufModel& model) {
  const GgufMetadata metadata(model);
  const std::string_view kind = TRY(metadata.string("tokenizer.ggml.model"));
  if (kind != "gpt2") {
    return metadata.wrong("tokenizer.ggml.model", "'gpt2' (byte-level BPE)", quoted(kind));
  }
  Vocabulary out;
  out.tokens = TRY(array_of(model, "tokenizer.ggml.tokens", true));
  out.types = TRY(array_of(model, "tokenizer.ggml.token_type", false));
  out.merges = TRY(array_of(model, "tokenizer.ggml.merges", true));
  if (out.types->count != out.tokens->count) {
    return metadata.wrong("tokenizer.ggml.token_type",
                          fmt::format("one for each of {} tokens", out.tokens->count),
                          fmt::to_string(out.types->count));
  }
  const StoredTensor* embedding = metadata.tensor("token_embd.weight");
  if (embedding != nullptr && embedding->rows() != static_cast<int64_t>(out.tokens->count)) {
    return metadata.wrong("tokenizer.ggml.tokens",
                          fmt::format("as many as tensor 'token_embd.weight' has rows ({})",
                                      embedding->rows()),
                          fmt::to_string(out.tokens->count));
  }
  return out;
}

Status append_tokens(const GgufModel& model, const Vocabulary& vocabulary, std::string& vocab,
                     std::string& added) {
  for (uint64_t id = 0; id < vocabulary.tokens->count; ++id) {
    const std::string_view token = vocabulary.tokens->strings[id];
    const int64_t type = vocabulary.types->integer(id).value_or(0);
    if (type == kUnused) continue;  // padding of the table: no text stands for it
    if (invalid_utf8_at(token)) {
      return GgufMetadata(model).wrong("tokenizer.ggml.tokens", "UTF-8",
                                       fmt::format("{} at {}", quoted(token), id));
    }
    if (type == kNormal) {
      if (vocab.size() > 1) vocab += ',';
      json::append_quoted(vocab, token);
      vocab += fmt::format(":{}", id);
    } else if (type == kControl || type == kUserDefined) {
      if (added.size() > 1) added += ',';
      added += fmt::format("{{\"id\":{},\"special\":{},\"content\":", id, type == kControl);
      json::append_quoted(added, token);
      added += '}';
    } else {
      return GgufMetadata(model).wrong(
          "tokenizer.ggml.token_type", "1 (normal), 3 (control), 4 (user defined) or 5 (unused)",
          fmt::format("{} for {} at {}", type, quoted(token), id));
    }
  }
  return ok_status();
}

// A token may begin with a space of its own, so the border is the first space behind a character.
Status append_merges(const GgufModel& model, const Vocabulary& vocabulary, std::string& out) {
  for (uint64_t i = 0; i < vocabulary.merges->count; ++i) {
    const std::string_view merge = vocabulary.merges->strings[i];
    const size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || invalid_utf8_at(merge)) {
      return GgufMetadata(model).wrong("tokenizer.ggml.merges", "two tokens and a space",
                                       fmt::format("{} at {}", quoted(merge), i));
    }
    if (i > 0) out += ',';
    if (space > 0 && merge.find(' ') == merge.rfind(' ')) {  // the short form says the same
      json::append_quoted(out, merge);
      continue;
    }
    out += '[';
    json::append_quoted(out, merge.substr(0, space));
    out += ',';
    json::append_quoted(out, merge.substr(space + 1));
    out += ']';
  }
  return ok_status();
}

}  // namespace

Result<std::string> gguf_tokenizer_json(const GgufModel& model) {
  const PreTokenizer& pre = *TRY(pre_tokenizer_of(GgufMetadata(model)));
  const Vocabulary vocabulary = TRY(vocabulary_of(model));
  std::string vocab = "{";
  std::string added = "[";
  TRY(append_tokens(model, vocabulary, vocab, added));
  std::string merges = "[";
  TRY(append_merges(model, vocabulary, merges));
  const std::string normalizer =
      pre.normalizer.empty() ? "null" : fmt::format("{{\"type\":\"{}\"}}", pre.normalizer);
  return fmt::format("{{\"added_tokens\":{}],\"normalizer\":{},\"pre_tokenizer\":{},"
                     "\"post_processor\":null,\"decoder\":{{\"type\":\"ByteLevel\"}},"
                     "\"model\":{{\"type\":\"BPE\",\"vocab\":{}}},\"merges\":{}]}}}}",
                     added, normalizer, pre_tokenizer_json(pre), vocab, merges);
}

Result<std::string> gguf_tokenizer_config_json(const GgufModel& model) {
  const GgufMetadata metadata(model);
  const GgufValue& tokens = *TRY(array_of(model, "tokenizer.ggml.tokens", true));
  const std::array<std::pair<std::string, std::string_view>, 4> names = {
      {{"tokenizer.ggml.bos_token_id", "bos_token"},
       {"tokenizer.ggml.eos_token_id", "eos_token"},
       {"tokenizer.ggml.padding_token_id", "pad_token"},
       {"tokenizer.ggml.unknown_token_id", "unk_token"}}};
  json::Object out;
  for (const auto& [key, field] : names) {
    if (!metadata.has(key)) continue;
    const int64_t id =
        TRY(metadata.integer(key, 0, static_cast<int64_t>(tokens.count) - 1));
    out[field] = tokens.strings[static_cast<size_t>(id)];
  }
  if (metadata.has("tokenizer.chat_template")) {
    out["chat_template"] = TRY(metadata.string("tokenizer.chat_template"));
  }
  return json::dump(out, {.spaces = true, .indent = 2});
}

}  // namespace weft::model
