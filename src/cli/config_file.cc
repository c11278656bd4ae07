// SPDX-License-Identifier: Apache-2.0
#include "cli/config_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/file.h"
#include "base/strings.h"
#include "cli/config.h"

namespace weft::cli {
namespace {

using workflow::Fields;
using workflow::Problems;
using workflow::YamlTree;

constexpr size_t kConfigBytesMax = size_t{4} << 20;

struct Section {
  std::string_view name;
  void (*read)(Fields& fields, const ConfigScope& scope, Config& config);
};

constexpr Section kSections[] = {
    {"server", [](Fields& f, const ConfigScope& s, Config& c) { read_server(f, s, c.server); }},
    {"tls", [](Fields& f, const ConfigScope& s, Config& c) { read_tls(f, s, c.tls); }},
    {"models", [](Fields& f, const ConfigScope& s, Config& c) { read_models(f, s, c.models); }},
    {"memory", [](Fields& f, const ConfigScope& s, Config& c) { read_memory(f, s, c.models); }},
    {"inference",
     [](Fields& f, const ConfigScope& s, Config& c) { read_inference(f, s, c.models); }},
    {"routing", [](Fields& f, const ConfigScope& s, Config& c) { read_routing(f, s, c.models); }},
    {"mcp", [](Fields& f, const ConfigScope& s, Config& c) { read_mcp(f, s, c.mcp); }},
    {"secrets", [](Fields& f, const ConfigScope& s, Config& c) { read_secrets(f, s, c.secrets); }},
    {"security",
     [](Fields& f, const ConfigScope& s, Config& c) { read_security(f, s, c.security); }},
    {"encryption",
     [](Fields& f, const ConfigScope& s, Config& c) { read_encryption(f, s, c.encryption); }},
    {"oidc", [](Fields& f, const ConfigScope& s, Config& c) { read_oidc(f, s, c.oidc); }},
    {"callbacks",
     [](Fields& f, const ConfigScope& s, Config& c) { read_callbacks(f, s, c.callbacks); }},
    {"redaction",
     [](Fields& f, const ConfigScope& s, Config& c) { read_redaction(f, s, c.redaction); }},
    {"traces", [](Fields& f, const ConfigScope& s, Config& c) { read_traces(f, s, c.traces); }},
    {"audit", [](Fields& f, const ConfigScope& s, Config& c) { read_audit(f, s, c.audit); }},
    {"retention",
     [](Fields& f, const ConfigScope& s, Config& c) { read_retention(f, s, c.retention); }},
    {"log", [](Fields& f, const ConfigScope& s, Config& c) { read_log(f, s, c.log); }},
};

// What `env:` or `file:` points to; nothing, and why, if it is not there.
Result<std::string> pointed_to(const std::string& given, const ConfigScope& scope) {
  if (given.starts_with("env:")) {
    if (auto value = environment(given.substr(4))) return std::move(*value);
    return make_error("E0950", fmt::format("the environment has no {}", quoted(given.substr(4))));
  }
  if (!given.starts_with("file:")) return given;
  const std::string text = TRY(read_file(scope.path(given.substr(5)), 1 << 20));
  return std::string(trim(text));
}

// Only comments and blank lines: YAML calls that no document, here it changes nothing.
bool says_nothing(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    if (!trim(line).empty() && !trim(line).starts_with('#')) return false;
  }
  return true;
}

}  // namespace

std::string ConfigScope::path(const std::string& given) const {
  const std::filesystem::path path(given);
  if (given.empty() || path.is_absolute() || directory.empty()) return given;
  return (std::filesystem::path(directory) / path).lexically_normal().string();
}

std::string secret(Fields& fields, std::string_view key, const ConfigScope& scope) {
  const auto given = fields.text(key);
  if (!given) return {};
  auto value = pointed_to(*given, scope);
  if (value.ok()) return std::move(*value);
  fields.problems().add("E0950", fields.place(),
                        fmt::format("{}: '{}': {}", fields.what(), key, value.error().message),
                        "env:NAME reads the environment of this process, file:PATH a file");
  return {};
}

std::vector<std::string> texts(Fields& fields, std::string_view key) {
  std::vector<std::string> out;
  const YamlTree::Node list = fields.any(key);
  if (!list.ok()) return out;
  if (!list.is_list()) {
    fields.wrong(list, key, "a list of texts");
    return out;
  }
  for (const YamlTree::Node item : list) {
    if (item.is_text()) {
      out.emplace_back(item.text());
    } else {
      fields.wrong(item, key, "a list of texts");
    }
  }
  return out;
}

std::vector<ConfigMember> members(Fields& fields, std::string_view key) {
  std::vector<ConfigMember> out;
  const YamlTree::Node mapping = fields.any(key);
  if (!mapping.ok()) return out;
  if (!mapping.is_mapping()) {
    fields.wrong(mapping, key, "a mapping of names");
    return out;
  }
  for (const YamlTree::Node name : mapping) {
    out.emplace_back(std::string(name.text()), name.value());
  }
  return out;
}

std::vector<ConfigMember> all_members(Fields& fields) {
  std::vector<ConfigMember> out;
  if (!fields.ok() || !fields.node().is_mapping()) return out;
  for (const YamlTree::Node name : fields.node()) {
    out.emplace_back(std::string(name.text()), fields.any(name.text()));
  }
  return out;
}

Result<Config> parse_config(std::string_view text, const std::string& file) {
  Config config;
  config.file = file;
  if (says_nothing(text)) return config;
  const ConfigScope scope{std::filesystem::path(file).parent_path().string()};
  Problems problems;
  YamlTree tree;
  if (YamlTree::parse(text, tree, problems, {.bytes_max = kConfigBytesMax}) &&
      tree.root().kind() != YamlTree::Kind::kNull) {
    Fields root(tree.root(), "the configuration", problems);
    for (const Section& section : kSections) {
      const YamlTree::Node node = root.any(section.name);
      if (!node.ok() || node.kind() == YamlTree::Kind::kNull) continue;
      Fields fields(node, std::string(section.name), problems);
      section.read(fields, scope, config);
      fields.finish();
    }
    root.finish();
  }
  const auto found = problems.take();
  if (!found.empty()) return workflow::to_error(found, file);
  return config;
}

Result<Config> load_config(const std::string& file) {
  if (file.empty()) return Config{};
  const std::string text = TRY(read_file(file, kConfigBytesMax));
  return parse_config(text, file);
}

}  // namespace weft::cli
