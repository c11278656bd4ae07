// SPDX-License-Identifier: Apache-2.0
#include "cli/pull_record.h"

#include "base/file.h"
#include "base/json.h"

namespace weft::cli {
namespace {

constexpr size_t kRecordBytesMax = size_t{16} << 20;

std::string record_text(const json::Object& object, std::string_view name) {
  const json::Value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

PullRecord PullRecord::load(const std::string& directory) {
  PullRecord out(directory);
  const auto text = read_file(out.path_of(".weft-pull.json"), kRecordBytesMax);
  if (!text.ok()) return out;
  const auto parsed = json::parse(*text, {.depth_max = 8});
  const json::Object* root = parsed.ok() ? parsed->if_object() : nullptr;
  const json::Value* files = root != nullptr ? root->if_contains("files") : nullptr;
  if (files == nullptr || !files->is_object()) return out;
  for (const auto& [name, value] : files->get_object()) {
    if (!value.is_object()) continue;
    const json::Object& entry = value.get_object();
    out.entries_[std::string(name)] = {record_text(entry, "identity"),
                                       record_text(entry, "commit"), record_text(entry, "seen")};
  }
  return out;
}

namespace {

Result<std::string> identity_of_file(const std::string& path) {
  return std::string(TRY(MappedFile::open(path)).identity());
}

}  // namespace

bool PullRecord::vouches(const std::string& name, const std::string& identity) const {
  const auto entry = entries_.find(name);
  if (entry == entries_.end() || entry->second.identity != identity) return false;
  const auto now = identity_of_file(path_of(name));
  return now.ok() && *now == entry->second.seen;
}

Status PullRecord::verified(const std::string& name, const std::string& identity,
                            const std::string& commit) {
  entries_[name] = {identity, commit, TRY(identity_of_file(path_of(name)))};
  return ok_status();
}

std::vector<std::string> PullRecord::of_other_commits(const std::string& commit) const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) {
    if (entry.commit != commit && file_exists(path_of(name))) out.push_back(name);
  }
  return out;
}

Status PullRecord::save() const {
  json::Object files;
  for (const auto& [name, entry] : entries_) {
    files[name] = json::Object{
        {"identity", entry.identity}, {"commit", entry.commit}, {"seen", entry.seen}};
  }
  return write_file_atomic(path_of(".weft-pull.json"),
                           json::dump(json::Object{{"files", std::move(files)}}) + "\n");
}

}  // namespace weft::cli
