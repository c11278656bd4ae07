// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer_json.h"

#include <limits>

#include "base/strings.h"

namespace weft::text {
namespace {

using json::Array;
using json::Object;
using json::Value;

constexpr std::string_view kFamilies =
    "weft reads the tokenizers of Qwen3, EXAONE and Granite 4.0: byte-level BPE";

Error unsupported(std::string_view field, std::string_view found, std::string_view expected) {
  return make_error("E0102", fmt::format("{} is {}, expected {}", field, found, expected),
                    std::string(kFamilies));
}

Error wrong_kind(std::string_view field, const Value* found, std::string_view expected) {
  return make_error("E0101", fmt::format("{}: expected {}, found {}", field, expected,
                                         found == nullptr ? "nothing" : json::kind_name(*found)));
}

std::string shown(const Value& value) {
  std::string text = json::dump(value);
  if (text.size() > 80) text = quoted(text);
  return text;
}

// A member, or nullptr when it is missing or null.
const Value* member(const Object& object, std::string_view name) {
  const Value* value = object.if_contains(name);
  return value != nullptr && value->is_null() ? nullptr : value;
}

Result<const Object*> object_at(const Object& object, std::string_view name,
                                std::string_view field) {
  const Value* value = member(object, name);
  if (value == nullptr || !value->is_object()) return wrong_kind(field, value, "an object");
  return &value->get_object();
}

Result<std::string_view> text_at(const Object& object, std::string_view name,
                                 std::string_view field) {
  const Value* value = member(object, name);
  if (value == nullptr || !value->is_string()) {
    return wrong_kind(fmt::format("{}.{}", field, name), value, "a string");
  }
  return std::string_view(value->get_string());
}

Result<bool> flag_at(const Object& object, std::string_view name, std::string_view field,
                     bool otherwise) {
  const Value* value = member(object, name);
  if (value == nullptr) return otherwise;
  if (!value->is_bool()) {
    return wrong_kind(fmt::format("{}.{}", field, name), value, "true or false");
  }
  return value->get_bool();
}

Status read_normalizer(const Value& value, std::string_view field, int depth, TokenizerSpec& spec) {
  if (!value.is_object()) return wrong_kind(field, &value, "an object or null");
  const Object& object = value.get_object();
  const std::string_view type = TRY(text_at(object, "type", field));
  if (type == "NFC") {
    spec.normalizers.push_back(Normalization::kNfc);
  } else if (type == "NFKC") {
    spec.normalizers.push_back(Normalization::kNfkc);
  } else if (type == "Sequence" && depth == 0) {
    const Value* steps = member(object, "normalizers");
    if (steps == nullptr || !steps->is_array()) {
      return wrong_kind(fmt::format("{}.normalizers", field), steps, "an array");
    }
    for (size_t i = 0; i < steps->get_array().size(); ++i) {
      TRY(read_normalizer(steps->get_array()[i], fmt::format("{}.normalizers[{}]", field, i),
                          depth + 1, spec));
    }
  } else {
    return unsupported(fmt::format("{}.type", field), quoted(type),
                       "'NFC', 'NFKC' or one 'Sequence' of these");
  }
  return ok_status();
}

Status read_split(const Object& object, std::string_view field, TokenizerSpec& spec) {
  const Object& pattern = *TRY(object_at(object, "pattern", fmt::format("{}.pattern", field)));
  if (member(pattern, "String") != nullptr) {
    return unsupported(fmt::format("{}.pattern", field), "a String", "a Regex");
  }
  SplitSpec split;
  split.expression = TRY(text_at(pattern, "Regex", fmt::format("{}.pattern", field)));
  const std::string_view behavior = TRY(text_at(object, "behavior", field));
  const bool invert = TRY(flag_at(object, "invert", field, false));
  if (behavior == "Isolated") {
    split.keeps_gaps = true;  // inverted or not: matches and gaps are words alike
  } else if (behavior == "Removed" && invert) {
    split.keeps_gaps = false;
  } else {
    return unsupported(fmt::format("{}.behavior", field),
                       fmt::format("{} with invert {}", quoted(behavior), invert),
                       "'Isolated', or 'Removed' with invert true");
  }
  spec.splits.push_back(std::move(split));
  return ok_status();
}

Status read_byte_level(const Object& object, std::string_view field, TokenizerSpec& spec) {
  if (TRY(flag_at(object, "add_prefix_space", field, true))) {
    return unsupported(fmt::format("{}.add_prefix_space", field), "true", "false");
  }
  if (TRY(flag_at(object, "use_regex", field, true))) {
    spec.splits.push_back({std::string(kGpt2Expression), true});
  }
  return ok_status();
}

Status read_pre_tokenizer_step(const Value& value, std::string_view field, bool last,
                               TokenizerSpec& spec) {
  if (!value.is_object()) return wrong_kind(field, &value, "an object");
  const Object& object = value.get_object();
  const std::string_view type = TRY(text_at(object, "type", field));
  if (type == "Split" && !last) return read_split(object, field, spec);
  if (type == "ByteLevel" && last) return read_byte_level(object, field, spec);
  return unsupported(fmt::format("{}.type", field), quoted(type),
                     last ? "'ByteLevel' as the last step" : "'Split' before the last step");
}

Status read_pre_tokenizer(const Object& root, TokenizerSpec& spec) {
  constexpr std::string_view kField = "pre_tokenizer";
  const Object& object = *TRY(object_at(root, kField, kField));
  if (TRY(text_at(object, "type", kField)) != "Sequence") {
    return read_pre_tokenizer_step(*root.if_contains(kField), kField, true, spec);
  }
  const Value* steps = member(object, "pretokenizers");
  if (steps == nullptr || !steps->is_array() || steps->get_array().empty()) {
    return wrong_kind("pre_tokenizer.pretokenizers", steps, "an array of at least one step");
  }
  const Array& array = steps->get_array();
  if (array.size() > 16) {
    return unsupported("pre_tokenizer.pretokenizers", fmt::format("{} steps", array.size()),
                       "at most 16");
  }
  for (size_t i = 0; i < array.size(); ++i) {
    TRY(read_pre_tokenizer_step(array[i], fmt::format("pre_tokenizer.pretokenizers[{}]", i),
                                i + 1 == array.size(), spec));
  }
  return ok_status();
}

// Settings of the model that would change tokens: each must be absent, null or say "off".
Status check_model_settings(const Object& model) {
  for (const std::string_view name : {"byte_fallback", "ignore_merges"}) {
    if (TRY(flag_at(model, name, "model", false))) {
      return unsupported(fmt::format("model.{}", name), "true", "false");
    }
  }
  for (const std::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const Value* value = member(model, name);
    if (value != nullptr && (!value->is_string() || !value->get_string().empty())) {
      return unsupported(fmt::format("model.{}", name), shown(*value), "null or empty");
    }
  }
  const Value* dropout = member(model, "dropout");
  const bool off =
      dropout == nullptr || (dropout->is_number() && dropout->to_number<double>() == 0);
  if (!off) return unsupported("model.dropout", shown(*dropout), "null");
  return ok_status();
}

Status read_vocab(const Object& model, TokenizerSpec& spec) {
  const Object& vocab = *TRY(object_at(model, "vocab", "model.vocab"));
  spec.vocab.reserve(vocab.size());
  for (const auto& entry : vocab) {
    const Value& id = entry.value();
    if (!id.is_int64() || id.get_int64() < 0 ||
        id.get_int64() > std::numeric_limits<TokenId>::max()) {
      return make_error("E0101", fmt::format("model.vocab: {} has id {}, expected an integer from "
                                             "0 to 2^31 - 1", quoted(entry.key()), shown(id)));
    }
    spec.vocab.emplace_back(std::string_view(entry.key()), static_cast<TokenId>(id.get_int64()));
  }
  return ok_status();
}

// A merge is "left right" or ["left", "right"].
Result<std::pair<std::string_view, std::string_view>> read_merge(const Value& merge, size_t i) {
  if (merge.is_string()) {
    const std::string_view text = merge.get_string();
    const size_t space = text.find(' ');
    if (space != std::string_view::npos && text.find(' ', space + 1) == std::string_view::npos) {
      return std::pair(text.substr(0, space), text.substr(space + 1));
    }
    return make_error("E0101", fmt::format("model.merges[{}]: expected two tokens and a space "
                                           "between them, found {}", i, quoted(text)));
  }
  if (merge.is_array() && merge.get_array().size() == 2 && merge.get_array()[0].is_string() &&
      merge.get_array()[1].is_string()) {
    return std::pair(std::string_view(merge.get_array()[0].get_string()),
                     std::string_view(merge.get_array()[1].get_string()));
  }
  return make_error("E0101", fmt::format("model.merges[{}]: expected \"left right\" or [\"left\", "
                                         "\"right\"], found {}", i, shown(merge)));
}

Status read_model(const Object& root, TokenizerSpec& spec) {
  const Object& model = *TRY(object_at(root, "model", "model"));
  if (const Value* type = member(model, "type")) {
    if (!type->is_string() || type->get_string() != "BPE") {
      return unsupported("model.type", shown(*type), "'BPE'");
    }
  }
  TRY(check_model_settings(model));
  TRY(read_vocab(model, spec));
  const Value* merges = member(model, "merges");
  if (merges == nullptr || !merges->is_array()) {
    return wrong_kind("model.merges", merges, "an array");
  }
  spec.merges.reserve(merges->get_array().size());
  for (const Value& merge : merges->get_array()) {
    spec.merges.push_back(TRY(read_merge(merge, spec.merges.size())));
  }
  return ok_status();
}

Result<AddedToken> read_added_token(const Value& value, size_t i) {
  const std::string field = fmt::format("added_tokens[{}]", i);
  if (!value.is_object()) return wrong_kind(field, &value, "an object");
  const Object& object = value.get_object();
  AddedToken token;
  token.content = TRY(text_at(object, "content", field));
  const Value* id = member(object, "id");
  if (id == nullptr || !id->is_int64() || id->get_int64() < 0 ||
      id->get_int64() > std::numeric_limits<TokenId>::max()) {
    return make_error("E0101", fmt::format("{}: {} has id {}, expected an integer from 0 to "
                                           "2^31 - 1",
                                           field, quoted(token.content),
                                           id == nullptr ? "nothing" : shown(*id)));
  }
  token.id = static_cast<TokenId>(id->get_int64());
  token.special = TRY(flag_at(object, "special", field, false));
  for (const std::string_view name : {"normalized", "single_word", "lstrip", "rstrip"}) {
    if (TRY(flag_at(object, name, field, false))) {
      return unsupported(fmt::format("{}.{} of {}", field, name, quoted(token.content)), "true",
                         "false");
    }
  }
  return token;
}

Status read_added_tokens(const Object& root, TokenizerSpec& spec) {
  const Value* tokens = member(root, "added_tokens");
  if (tokens == nullptr) return ok_status();
  if (!tokens->is_array()) return wrong_kind("added_tokens", tokens, "an array");
  for (const Value& token : tokens->get_array()) {
    spec.added.push_back(TRY(read_added_token(token, spec.added.size())));
  }
  return ok_status();
}

Status check_byte_level(const Object& root, std::string_view field) {
  const Object& object = *TRY(object_at(root, field, field));
  const std::string_view type = TRY(text_at(object, "type", field));
  if (type != "ByteLevel") {
    return unsupported(fmt::format("{}.type", field), quoted(type), "'ByteLevel'");
  }
  return ok_status();
}

}  // namespace

Result<TokenizerSpec> read_tokenizer_json(const Value& document) {
  if (!document.is_object()) return wrong_kind("tokenizer.json", &document, "an object");
  const Object& root = document.get_object();
  TokenizerSpec spec;
  if (const Value* normalizer = member(root, "normalizer")) {
    TRY(read_normalizer(*normalizer, "normalizer", 0, spec));
  }
  TRY(read_pre_tokenizer(root, spec));
  if (member(root, "post_processor") != nullptr) TRY(check_byte_level(root, "post_processor"));
  TRY(check_byte_level(root, "decoder"));
  TRY(read_model(root, spec));
  TRY(read_added_tokens(root, spec));
  return spec;
}

}  // namespace weft::text
