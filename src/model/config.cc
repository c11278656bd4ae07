// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/strings.h"
#include "model/config_families.h"
#include "model/config_fields.h"

namespace weft::model {
namespace {

constexpr size_t kConfigBytesMax = size_t{16} << 20;
constexpr size_t kConfigDepthMax = 32;
constexpr int kTopKMax = 1 << 22;

Status read_quantization(const Fields& fields, Config& config) {
  const json::Value* value = fields.find("quantization_config");
  if (value == nullptr) return ok_status();
  if (!value->is_object()) return fields.wrong("quantization_config", "an object", *value);
  const Fields inner(value->get_object(), fields.where() + ": quantization_config");
  const std::string method = TRY(inner.string("quant_method", ""));
  if (method != "weft_q8_g32" && method != "weft_q4_g32") {
    return config_error(fmt::format("{}: field 'quant_method': {} is not supported", inner.where(),
                                    quoted(method)),
                        "supported: weft_q8_g32, weft_q4_g32, or weights in F32, F16 or BF16");
  }
  (void)TRY(inner.integer("group_size", 32, 32));
  config.quantization =
      method == "weft_q8_g32" ? Quantization::kQ8Group32 : Quantization::kQ4Group32;
  return ok_status();
}

Result<std::optional<text::TokenId>> read_token(const Fields& fields, std::string_view name,
                                                const Config& config) {
  if (fields.find(name) == nullptr) return std::optional<text::TokenId>();
  return std::optional<text::TokenId>(TRY(fields.integer(name, 0, config.vocab_size - 1)));
}

// A number, a list of numbers, or absent.
Status read_eos(const Fields& fields, Config& config) {
  const json::Value* value = fields.find("eos_token_id");
  if (value == nullptr) return ok_status();
  config.eos.clear();
  const json::Array one{*value};
  const json::Array& list = value->is_array() ? value->get_array() : one;
  for (const json::Value& id : list) {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= config.vocab_size) {
      return fields.wrong("eos_token_id", fmt::format("ids from 0 to {}", config.vocab_size - 1),
                          *value);
    }
    config.eos.push_back(static_cast<text::TokenId>(id.get_int64()));
  }
  std::sort(config.eos.begin(), config.eos.end());
  config.eos.erase(std::unique(config.eos.begin(), config.eos.end()), config.eos.end());
  return ok_status();
}

Status read_generation(const Fields& fields, Config& config) {
  TRY(read_eos(fields, config));
  GenerationDefaults& out = config.generation;
  if (!TRY(fields.boolean("do_sample", true))) out.temperature = 0.0;
  for (const auto& [name, target, low, high] :
       {std::tuple{"temperature", &out.temperature, 0.0, 100.0},
        std::tuple{"top_p", &out.top_p, 0.0, 1.0}, std::tuple{"min_p", &out.min_p, 0.0, 1.0},
        std::tuple{"repetition_penalty", &out.repetition_penalty, 1e-3, 1e3}}) {
    if (fields.find(name) != nullptr && !target->has_value()) {
      *target = TRY(fields.number(name, low, high));
    }
  }
  out.json_spacing = TRY(fields.string("weft_json_spacing", out.json_spacing));
  if (out.json_spacing != "compact" && out.json_spacing != "spaced" &&
      out.json_spacing != "either") {
    return fields.wrong("weft_json_spacing", "\"compact\", \"spaced\" or \"either\"",
                        *fields.find("weft_json_spacing"));
  }
  if (fields.find("top_k") != nullptr) {
    out.top_k = TRY(fields.integer("top_k", 0, kTopKMax));
  }
  return ok_status();
}

// Infinity, -Infinity and NaN outside of strings become {"__float__":"Infinity"} and so on, the
// form that transformers 5 writes. Everything else is left for the parser to judge.
std::string without_bare_numbers(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool inside = false;  // a string
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = text.substr(i);
    const std::string_view* found = nullptr;
    static constexpr std::string_view kBare[] = {"Infinity", "-Infinity", "NaN"};
    for (const std::string_view& bare : kBare) {
      if (!inside && rest.starts_with(bare)) found = &bare;
    }
    if (found != nullptr) {
      out += fmt::format(R"({{"__float__":"{}"}})", *found);
      i += found->size() - 1;
      continue;
    }
    if (inside && text[i] == '\\' && i + 1 < text.size()) {
      out += text[i++];  // whatever follows ends no string
    } else if (text[i] == '"') {
      inside = !inside;
    }
    out += text[i];
  }
  return out;
}

Result<json::Value> parse_object(std::string_view text, std::string_view where) {
  auto parsed = json::parse(text, {.depth_max = kConfigDepthMax, .bytes_max = kConfigBytesMax});
  if (!parsed.ok()) return in_context(parsed.error(), where);
  if (!parsed.value().is_object()) {
    return config_error(fmt::format("{}: should be a JSON object, found {}", where,
                               json::kind_name(parsed.value())));
  }
  return std::move(parsed).value();
}

}  // namespace

Result<Config> parse_config(std::string_view config_json, std::string_view generation_json) {
  // Python writes infinities, which JSON does not know, into time_step_limit.
  const std::string readable = without_bare_numbers(config_json);
  const json::Value value = TRY(parse_object(readable, "config.json"));
  const Fields fields(value.get_object(), "config.json");
  Config config;
  TRY(read_family(fields, config));
  TRY(check_config(config, fields.where()));
  TRY(read_quantization(fields, config));
  config.bos = TRY(read_token(fields, "bos_token_id", config));
  config.pad = TRY(read_token(fields, "pad_token_id", config));
  TRY(read_eos(fields, config));
  if (!generation_json.empty()) {
    const json::Value generation = TRY(parse_object(generation_json, "generation_config.json"));
    TRY(read_generation(Fields(generation.get_object(), "generation_config.json"), config));
  }
  return config;
}

Result<Config> load_config(ModelFiles& files) {
  const std::string_view config = TRY(files.read("config.json"));
  std::string_view generation;
  if (files.has("generation_config.json")) generation = TRY(files.read("generation_config.json"));
  auto parsed = parse_config(config, generation);
  if (!parsed.ok()) return in_context(parsed.error(), files.where());
  return parsed;
}

}  // namespace weft::model
