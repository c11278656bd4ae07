// SPDX-License-Identifier: Apache-2.0
#include "cli/models.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "base/memory.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/terminal.h"
#include "family/family.h"
#include "model/footprint.h"
#include "model/gguf_model.h"
#include "runtime/model_instance.h"

namespace weft::cli {
namespace {

using model::Footprint;
using model::Precision;

int exit_of_models(const Error& error) {
  return error.code == "E0213" || error.code == "E0710" ? kExitNotFound : kExitConfiguration;
}

struct Card {
  std::string where;
  std::string format;
  model::Config config;
  Footprint native;
  std::vector<std::pair<Precision, Footprint>> packed;
};

Result<Card> card_of(const std::string& name) {
  model::ModelFiles files = TRY(runtime::model_files_named(name));
  Card out;
  out.where = files.where();
  out.config = TRY(model::load_config(files));
  const model::Checkpoint checkpoint = TRY(model::Checkpoint::open(files));
  TRY(family::check_weights(out.config, checkpoint));
  out.format = files.gguf() != nullptr
                   ? fmt::format("GGUF {}, {}", files.gguf()->file().version,
                                 files.gguf()->architecture())
                   : "safetensors";
  for (const Precision precision :
       {Precision::kNative, Precision::kQ8, Precision::kQ4, Precision::kF32}) {
    out.packed.emplace_back(precision, model::footprint(out.config, checkpoint, precision));
  }
  out.native = out.packed[0].second;
  return out;
}

std::string count_text(uint64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.2f} billion", value / 1e9);
  return fmt::format("{:.2f} million", value / 1e6);
}

// Tokens of context that fit, at most what the model was made for.
uint64_t context_that_fits(const Card& card, const Footprint& cost, uint64_t room) {
  return std::min<uint64_t>(model::tokens_that_fit(cost, room),
                            static_cast<uint64_t>(card.config.context));
}

json::Object card_json(const Card& card, std::optional<uint64_t> room) {
  const model::Config& c = card.config;
  json::Object stored;
  for (const auto& [type, count] : card.native.stored) stored[type] = count;
  json::Object memory;
  for (const auto& [precision, cost] : card.packed) {
    json::Object entry{{"weight_bytes", cost.weight_bytes}};
    if (room) {
      entry["fits"] = model::tokens_that_fit(cost, *room) > 0;
      entry["context_that_fits"] = context_that_fits(card, cost, *room);
    }
    memory[name_of(precision)] = std::move(entry);
  }
  return {{"model", card.where},
          {"format", card.format},
          {"family", c.family},
          {"parameters", card.native.parameters},
          {"parameters_by_type", std::move(stored)},
          {"file_bytes", card.native.file_bytes},
          {"layers", c.layers},
          {"hidden_size", c.hidden_size},
          {"heads", c.heads},
          {"kv_heads", c.kv_heads},
          {"head_dim", c.head_dim},
          {"vocab_size", c.vocab_size},
          {"experts", c.experts.count},
          {"context", c.context},
          {"kv_bytes_per_token", card.native.kv_token_bytes},
          {"state_bytes", card.native.state_bytes},
          {"memory_available", room ? json::Value(*room) : json::Value(nullptr)},
          {"memory", std::move(memory)}};
}

std::string card_text(const Card& card, std::optional<uint64_t> room) {
  const model::Config& c = card.config;
  std::string types;
  for (const auto& [type, count] : card.native.stored) {
    types += fmt::format("{}{} {:.0f} %", types.empty() ? "" : ", ", type,
                         100.0 * static_cast<double>(count) /
                             static_cast<double>(card.native.parameters));
  }
  std::string out = fmt::format(
      "{}\n  format       {}; {}\n  family       {}: {} layers of {}, {} heads on {} of {}\n"
      "  parameters   {} in {}\n  context      {} tokens, {} of cache a token{}\n",
      card.where, card.format, types, c.family, c.layers, c.hidden_size, c.heads, c.kv_heads,
      c.head_dim, count_text(card.native.parameters), bytes_text(card.native.file_bytes),
      c.context, bytes_text(card.native.kv_token_bytes),
      card.native.state_bytes > 0 ? ", " + bytes_text(card.native.state_bytes) + " of state" : "");
  if (c.experts.count > 0) {
    out += fmt::format("  experts      {}, {} a token\n", c.experts.count, c.experts.per_token);
  }
  for (const auto& [precision, cost] : card.packed) {
    out += fmt::format("  as {:<10}{}", name_of(precision), bytes_text(cost.weight_bytes));
    if (room) {
      const uint64_t tokens = context_that_fits(card, cost, *room);
      out += tokens > 0 ? fmt::format(" and {} tokens of context fit into the {} available", tokens,
                                      bytes_text(*room))
                        : fmt::format(" does not fit into the {} available", bytes_text(*room));
    }
    out += '\n';
  }
  out.pop_back();
  return out;
}

}  // namespace

int list_models(const ModelsListOptions& options) {
  json::Array list;
  const auto add = [&](const std::string& name, const std::string& source) {
    const auto card = card_of(source);
    json::Object entry{{"name", name}, {"ok", card.ok()}};
    if (card.ok()) {
      entry["family"] = card->config.family;
      entry["parameters"] = card->native.parameters;
      entry["file_bytes"] = card->native.file_bytes;
    } else {
      entry["error"] = card.error().message;
    }
    if (!options.json) {
      print_data(card.ok() ? fmt::format("{}\t{}\t{}\t{}", name, card->config.family,
                                         count_text(card->native.parameters),
                                         bytes_text(card->native.file_bytes))
                           : fmt::format("{}\t{}", name, card.error().message));
    }
    list.push_back(std::move(entry));
  };
  add("embedded", "embedded");
  std::error_code ignored;
  std::vector<std::string> found;
  const std::filesystem::path directory = data_directory() + "/models";
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.is_directory(ignored) || entry.path().extension() == ".gguf") {
      found.push_back(entry.path().string());
    }
  }
  std::sort(found.begin(), found.end());
  for (const std::string& path : found) add(path, path);
  if (options.json) print_data(json::dump(list));
  return kExitOk;
}

int show_model(const ModelsShowOptions& options) {
  const auto card = card_of(options.model);
  if (!card.ok()) {
    say_error(card.error());
    return exit_of_models(card.error());
  }
  const auto room = available_memory();
  print_data(options.json ? json::dump(card_json(*card, room)) : card_text(*card, room));
  return kExitOk;
}

}  // namespace weft::cli
