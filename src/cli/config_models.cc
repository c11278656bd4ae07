// SPDX-License-Identifier: Apache-2.0
#include "cli/config_models.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

#include "base/file.h"
#include "base/strings.h"
#include "cli/config_file.h"

namespace weft::cli {
namespace {

using workflow::Fields;
using workflow::YamlTree;

constexpr double kPriceMax = 1e9;
constexpr int64_t kTokensMax = 1 << 24;

// "8GiB", "512 MiB": nothing where it is no size, or none that this machine could have.
std::optional<uint64_t> size_from(std::string_view text) {
  constexpr std::array<std::string_view, 4> kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = trim(text.substr(static_cast<size_t>(read.ptr - text.data())));
  if (read.ec != std::errc() || !(count > 0) || count > 1e6) return std::nullopt;
  for (size_t i = 0; i < kUnits.size(); ++i) {
    if (unit == kUnits[i]) {
      return static_cast<uint64_t>(std::ldexp(count, static_cast<int>(10 * (i + 1))));
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> bytes_field(Fields& fields, std::string_view key) {
  const YamlTree::Node node = fields.any(key);
  if (!node.ok()) return std::nullopt;
  const auto bytes = node.is_text() ? size_from(node.text()) : std::nullopt;
  if (!bytes) fields.wrong(node, key, "a size such as 8GiB or 512MiB");
  return bytes;
}

double price_field(Fields& fields, std::string_view name) {
  return fields.number(name, 0, kPriceMax).value_or(0);
}

void read_price(Fields& model, const std::string& name, backend::ModelPrice& out) {
  const YamlTree::Node node = model.any("price");
  if (!node.ok()) return;
  Fields fields(node, fmt::format("price of model '{}'", name), model.problems());
  out.prompt_per_million = price_field(fields, "prompt");
  out.answer_per_million = price_field(fields, "answer");
  out.per_hour = price_field(fields, "hour");
  fields.finish();
}

void read_endpoint(const YamlTree::Node& node, Fields& model, const std::string& name,
                   backend::RemoteModel& out) {
  backend::Endpoint endpoint;
  if (node.is_text()) {
    endpoint.url = node.text();
  } else {
    Fields fields(node, fmt::format("endpoint of model '{}'", name), model.problems());
    endpoint.url = fields.text("url").value_or("");
    endpoint.weight = fields.number("weight", 1e-3, 1e6).value_or(1);
    fields.finish();
  }
  // The same reading as on the command line, which knows what an address is.
  const auto checked = backend::remote_model_of(name, "openai:" + endpoint.url);
  if (!checked.ok() || checked->endpoints.size() != 1) {
    return model.wrong(node, "endpoints", "addresses such as http://10.0.0.5:8000/v1");
  }
  endpoint.url = checked->endpoints[0].url;
  out.endpoints.push_back(std::move(endpoint));
}

void read_timeouts(Fields& model, const std::string& name, backend::RemoteModel& out) {
  const YamlTree::Node node = model.any("timeouts");
  if (!node.ok()) return;
  Fields fields(node, fmt::format("timeouts of model '{}'", name), model.problems());
  const auto read = [&](std::string_view key, int64_t& ms) {
    if (const auto us = fields.duration_us(key)) ms = std::max<int64_t>(1, *us / 1000);
  };
  read("connect", out.connect_timeout_ms);
  read("first", out.first_timeout_ms);
  read("pause", out.pause_timeout_ms);
  read("total", out.total_timeout_ms);
  fields.finish();
}

void read_remote(Fields& fields, const std::string& name, const ConfigScope& scope,
                 const std::string& kind, ModelsConfig& out) {
  backend::RemoteModel model;
  const auto known = backend::remote_kind_of(kind);
  if (known.ok()) model.kind = *known;
  if (!known.ok()) {
    fields.problems().add("E0410", fields.place(), known.error().message, known.error().hint);
  }
  model.model = fields.text("model").value_or(name);
  model.api_key = secret(fields, "key", scope);
  const YamlTree::Node endpoints = fields.any("endpoints");
  if (endpoints.ok() && endpoints.is_list()) {
    for (const YamlTree::Node node : endpoints) read_endpoint(node, fields, name, model);
  }
  if (model.endpoints.empty()) fields.wrong(endpoints, "endpoints", "a list of addresses");
  read_timeouts(fields, name, model);
  if (const auto retries = fields.integer("retries", 0, 100)) {
    model.retries_max = static_cast<int>(*retries);
  }
  if (!model.endpoints.empty()) out.remote[name] = std::move(model);
}

void read_model(const ConfigMember& member, const ConfigScope& scope, Fields& section,
                ModelsConfig& out) {
  const std::string& name = member.first;
  Fields fields(member.second, fmt::format("model '{}'", name), section.problems());
  const auto source = fields.text("source");
  const auto server = fields.text("server");
  if (source.has_value() == server.has_value()) {
    fields.wrong(member.second, "source", "one of source (a directory or .gguf file) and server");
  } else if (source) {
    out.local[name] = *source == "embedded" ? "" : scope.path(*source);
    if (!out.local[name].empty() && !file_exists(out.local[name])) {
      fields.wrong(fields.any("source"), "source", "a file or directory that exists",
                   fmt::format("{} is not there", quoted(out.local[name], 300)));
    }
    if (const auto limit = bytes_field(fields, "memory")) out.limits[name] = *limit;
  } else {
    read_remote(fields, name, scope, *server, out);
  }
  backend::RouteModel& rule = out.rules.models[name];
  read_price(fields, name, rule.price);
  rule.accuracy = fields.number("accuracy", 0, 1).value_or(rule.accuracy);
  rule.speed = fields.number("speed", 0, 1).value_or(rule.speed);
  rule.resource = fields.number("resource", 0, 1).value_or(rule.resource);
  fields.finish();
}

backend::RouteProfile read_profile(const ConfigMember& member, std::string_view what,
                                   Fields& section) {
  Fields fields(member.second, fmt::format("{} '{}'", what, member.first), section.problems());
  backend::RouteProfile out;
  out.model = fields.text("model").value_or("");
  constexpr const char* kModes[] = {"non_reasoning", "reasoning", "adaptive"};
  if (const auto mode = fields.word("mode", {"non_reasoning", "reasoning", "adaptive"})) {
    out.mode = kModes[*mode];
  }
  out.speed = fields.number("speed", 0, 1);
  out.accuracy = fields.number("accuracy", 0, 1);
  out.resource = fields.number("resource", 0, 1);
  out.max_tokens = fields.integer("max_tokens", 1, kTokensMax);
  out.thinking_limit = fields.integer("thinking_limit", 0, kTokensMax);
  fields.finish();
  return out;
}

}  // namespace

void read_models(Fields& fields, const ConfigScope& scope, ModelsConfig& out) {
  for (const ConfigMember& member : all_members(fields)) {
    read_model(member, scope, fields, out);
  }
}

void read_memory(Fields& fields, const ConfigScope&, ModelsConfig& out) {
  out.memory_bytes = bytes_field(fields, "models");
  out.kv_bytes = bytes_field(fields, "kv");
}

void read_inference(Fields& fields, const ConfigScope&, ModelsConfig& out) {
  if (const auto numerics = fields.word("numerics", {"portable", "fast"})) {
    out.numerics = *numerics == 1 ? tensor::Numerics::kFast : tensor::Numerics::kPortable;
  }
}

backend::ModelsOptions models_options(const ModelsConfig& config) {
  backend::ModelsOptions out;
  out.memory_bytes_max = config.memory_bytes.value_or(0);
  if (config.kv_bytes) out.engine.kv_bytes_max = *config.kv_bytes;
  return out;
}

void read_routing(Fields& fields, const ConfigScope&, ModelsConfig& out) {
  backend::RoutingConfig& rules = out.rules;
  rules.device = fields.text("device").value_or("");
  for (const auto& [device, node] : members(fields, "devices")) {
    if (node.is_text()) {
      rules.devices[device] = node.text();
    } else {
      fields.wrong(node, "devices", "the name of a model");
    }
  }
  if (const YamlTree::Node node = fields.any("complexity"); node.ok()) {
    Fields inner(node, "routing.complexity", fields.problems());
    rules.threshold = inner.number("threshold", 0, 1).value_or(rules.threshold);
    rules.general = inner.text("general").value_or("");
    rules.deep = inner.text("deep").value_or("");
    inner.finish();
  }
  rules.sure = fields.number("sure", 0, 1).value_or(rules.sure);
  for (const ConfigMember& member : members(fields, "classes")) {
    rules.classes[member.first] = read_profile(member, "class", fields);
  }
  for (const ConfigMember& member : members(fields, "profiles")) {
    rules.profiles[member.first] = read_profile(member, "profile", fields);
  }
  if (const YamlTree::Node node = fields.any("ceilings"); node.ok()) {
    Fields inner(node, "routing.ceilings", fields.problems());
    rules.ceilings.run = inner.number("run", 0, kPriceMax);
    rules.ceilings.account = inner.number("key", 0, kPriceMax);
    rules.ceilings.tenant = inner.number("tenant", 0, kPriceMax);
    rules.ceilings.month = inner.number("month", 0, kPriceMax);
    if (const auto then = inner.word("then", {"cheaper", "stop"})) {
      rules.ceilings.cheaper = *then == 0;
    }
    inner.finish();
  }
}

}  // namespace weft::cli
