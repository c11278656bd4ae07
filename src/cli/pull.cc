// SPDX-License-Identifier: Apache-2.0
#include "cli/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/digest.h"
#include "base/env.h"
#include "base/file.h"
#include "base/file_writer.h"
#include "base/git_blob.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/strings.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/pull_record.h"
#include "cli/terminal.h"
#include "net/blocking_client.h"
#include "net/url.h"

namespace weft::cli {
namespace {

constexpr int kAttemptsMax = 5;
constexpr int64_t kFileTimeoutMs = int64_t{24} * 3600 * 1000;
constexpr size_t kListBytesMax = size_t{64} << 20;

struct RemoteFile {
  std::string name;
  std::optional<uint64_t> size;
  std::string sha256;  // hex; empty for files that are not in LFS
  std::string blob;    // Git's name of the content; empty for files in LFS

  // What the server says about the content; a mirror may know nothing but the commit.
  std::string identity(const std::string& commit) const {
    return !sha256.empty() ? "sha256:" + sha256 : !blob.empty() ? "git:" + blob
                                                                : "commit:" + commit;
  }
  // Without one nobody can tell whether what came is what lies there.
  bool has_hash() const { return !sha256.empty() || !blob.empty(); }
  std::string_view checked_by() const {
    return !sha256.empty() ? "sha256" : !blob.empty() ? "git" : size ? "size" : "nothing";
  }
};

Error server_said(int status, const std::string& what) {
  const bool token = status == 401 || status == 403;
  return make_error(token ? "E0931" : status == 404 ? "E0932" : "E0930",
                    fmt::format("{}: the server answered {}", what, status),
                    token           ? "set HF_TOKEN to a token that may read it; gated models need "
                                      "their conditions accepted first"
                    : status == 404 ? "check owner, name, revision and file"
                                    : "try again later");
}

// One HTTP conversation after another; the loop runs only while a request is under way.
class Fetcher {
 public:
  Fetcher(std::string endpoint, const net::Url& url, std::string token)
      : endpoint_(std::move(endpoint)), token_(std::move(token)) {
    net::ClientOptions options;
    // A mirror that the user names may stand in the private network; its redirects may not.
    options.policy.allowed_hosts = {fmt::format("{}:{}", url.host, url.port)};
    client_.emplace(std::move(options));
  }

  Result<net::Response> get(const std::string& path, uint64_t from,
                            std::function<void(std::string_view)> on_body) {
    net::Request request;
    request.url = endpoint_ + path;
    if (!token_.empty()) request.headers.push_back({"Authorization", "Bearer " + token_});
    if (from > 0) request.headers.push_back({"Range", fmt::format("bytes={}-", from)});
    request.total_timeout_ms = kFileTimeoutMs;
    request.response_bytes_max = on_body ? SIZE_MAX / 2 : kListBytesMax;
    request.on_body = std::move(on_body);
    return client_->send(std::move(request));
  }

 private:
  std::string endpoint_;
  std::string token_;
  std::optional<net::BlockingClient> client_;
};

// A name that stays inside the directory it is written to.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name[0] != '.' && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos;
}

Result<RemoteFile> remote_file(const json::Value& entry) {
  const auto bad = [] { return make_error("E0930", "the server's list of files has no names"); };
  if (!entry.is_object()) return bad();
  const json::Object& object = entry.get_object();
  const json::Value* name = object.if_contains("rfilename");
  if (name == nullptr || !name->is_string()) return bad();
  RemoteFile out;
  out.name = std::string(name->get_string());
  const json::Value* size = object.if_contains("size");
  if (size != nullptr && size->is_int64() && size->get_int64() >= 0) {
    out.size = static_cast<uint64_t>(size->get_int64());
  }
  const json::Value* lfs = object.if_contains("lfs");
  if (lfs != nullptr && lfs->is_object()) {
    const json::Value* hash = lfs->get_object().if_contains("sha256");
    if (hash != nullptr && hash->is_string()) out.sha256 = std::string(hash->get_string());
    return out;  // whose blobId names the pointer, not the content
  }
  const json::Value* blob = object.if_contains("blobId");
  if (blob != nullptr && blob->is_string()) out.blob = std::string(blob->get_string());
  return out;
}

struct Listing {
  std::string commit;
  std::vector<RemoteFile> files;
};

Result<Listing> list_files(Fetcher& fetcher, const PullOptions& options) {
  const net::Response response = TRY(fetcher.get(
      fmt::format("/api/models/{}/revision/{}?blobs=true", options.repository, options.revision), 0,
      {}));
  if (response.status != 200) {
    return server_said(response.status,
                       fmt::format("{} at {}", options.repository, options.revision));
  }
  auto parsed = json::parse(response.body, {.depth_max = 64});
  if (!parsed.ok()) return in_context(std::move(parsed).error(), "the server's list of files");
  const json::Object* root = parsed->if_object();
  const json::Value* siblings = root != nullptr ? root->if_contains("siblings") : nullptr;
  if (siblings == nullptr || !siblings->is_array()) {
    return make_error("E0930", "the server's answer has no list 'siblings'",
                      "does HF_ENDPOINT name a Hugging Face server?");
  }
  Listing out;
  const json::Value* commit = root->if_contains("sha");
  out.commit = commit != nullptr && commit->is_string() && is_plain_name(commit->get_string())
                   ? std::string(commit->get_string()) : options.revision;
  for (const json::Value& entry : siblings->get_array()) {
    out.files.push_back(TRY(remote_file(entry)));
  }
  return out;
}

bool a_model_needs(const std::string& name, bool has_safetensors) {
  static constexpr std::string_view kNames[] = {
      "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
      "chat_template.jinja", "special_tokens_map.json", "model.safetensors.index.json"};
  if (std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames)) return true;
  return name.ends_with(has_safetensors ? ".safetensors" : ".gguf");
}

// The files asked for, or those of a checkpoint; of several GGUF files one must be named.
Result<std::vector<RemoteFile>> choose(const Listing& listing, const PullOptions& options) {
  std::vector<RemoteFile> out;
  std::vector<std::string> names;
  for (const RemoteFile& file : listing.files) names.push_back(file.name);
  for (const std::string& wanted : options.files) {
    const auto at = std::find(names.begin(), names.end(), wanted);
    if (at == names.end() || !is_plain_name(wanted)) {
      return make_error("E0932", fmt::format("{} has no file {}", options.repository,
                                             quoted(wanted)), name_hint(wanted, names));
    }
    out.push_back(listing.files[static_cast<size_t>(at - names.begin())]);
  }
  if (!options.files.empty()) return out;
  const bool safetensors = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return is_plain_name(name) && name.ends_with(".safetensors");
  });
  std::vector<std::string> gguf;
  for (const RemoteFile& file : listing.files) {
    if (!is_plain_name(file.name) || !a_model_needs(file.name, safetensors)) continue;
    if (file.name.ends_with(".gguf")) gguf.push_back(file.name);
    out.push_back(file);
  }
  if (gguf.size() > 1) {
    return make_error("E0904", fmt::format("{} has {} GGUF files", options.repository, gguf.size()),
                      "name one: --file " + join(gguf, ", --file "));
  }
  if (gguf.empty() && !safetensors) {
    return make_error("E0932", fmt::format("{} has no safetensors and no GGUF file",
                                           options.repository),
                      "weft reads these two kinds of weights only");
  }
  return out;
}

// Draws one line again and again while somebody watches.
class PullProgress {
 public:
  explicit PullProgress(const RemoteFile& file) : file_(file), started_ns_(real_env().mono_ns()) {}
  void show(uint64_t done) {
    const int64_t now = real_env().mono_ns();
    if (!people_watch() || now - shown_ns_ < 200'000'000) return;
    shown_ns_ = now;
    if (first_ == 0) first_ = done;
    const double seconds = static_cast<double>(now - started_ns_) / 1e9;
    const auto rate = static_cast<uint64_t>(static_cast<double>(done - first_) /
                                            std::max(seconds, 0.1));
    say_raw(fmt::format("\r{}  {} of {}  {}/s\x1b[K", file_.name, bytes_text(done),
                        file_.size ? bytes_text(*file_.size) : "?", bytes_text(rate)));
  }
  void end() const {
    if (people_watch()) say_raw("\r\x1b[K");
  }

 private:
  const RemoteFile& file_;
  int64_t started_ns_;
  int64_t shown_ns_ = 0;
  uint64_t first_ = 0;
};

// One request from where the part ends. True: the file is whole as far as the server says; false:
// the connection broke, or the part has to be begun again, and another attempt may help.
Result<bool> transfer(Fetcher& fetcher, const std::string& path, const RemoteFile& file,
                      FileWriter& writer, PullProgress& progress) {
  const uint64_t from = writer.size();
  if (file.size && from == *file.size) return true;
  std::optional<Error> write_error;
  const auto on_body = [&](std::string_view bytes) {
    if (write_error) return;
    const Status written = writer.write(bytes);
    if (!written.ok()) write_error = written.error();
    progress.show(writer.size());
  };
  const auto response = fetcher.get(path, from, on_body);
  if (write_error) return *write_error;
  if (!response.ok()) {
    static constexpr std::string_view kPassing[] = {"E0803", "E0805", "E0808"};
    const bool passing = std::find(std::begin(kPassing), std::end(kPassing),
                                   response.error().code) != std::end(kPassing);
    if (!passing) return response.error();
    return false;
  }
  if (from > 0 && response->status != 206) {
    // 200: the whole file stands behind the part; 416: the part is longer than the file.
    if (response->status != 200 && response->status != 416) {
      return server_said(response->status, file.name);
    }
    TRY(writer.restart());
    return false;
  }
  if (response->status >= 500) return false;
  if (response->status != 200 && response->status != 206) {
    return server_said(response->status, file.name);
  }
  return true;
}

// Whether these bytes are what the server's list says; true also if it says nothing.
bool is_content(const RemoteFile& file, std::string_view bytes) {
  if (file.size && bytes.size() != *file.size) return false;
  if (!file.sha256.empty()) return sha256_hex(bytes) == file.sha256;
  return file.blob.empty() || git_blob_hex(bytes) == file.blob;
}

Status check_content(const RemoteFile& file, FileWriter& writer) {
  if (file.size && writer.size() != *file.size) {
    TRY(writer.restart());
    return make_error("E0933", fmt::format("{}: the server sent another size than the {} bytes it "
                                           "had promised", file.name, *file.size),
                      "try again; if it stays, the server is at fault");
  }
  if (writer.size() == 0) return ok_status();
  const MappedFile part = TRY(MappedFile::open(writer.part_path()));
  if (is_content(file, part.bytes())) return ok_status();
  const bool strong = !file.sha256.empty();
  const std::string found = strong ? sha256_hex(part.bytes()) : git_blob_hex(part.bytes());
  TRY(writer.restart());  // a later call must not continue from wrong bytes
  return make_error("E0933", fmt::format("{}: the {} of what came is {}, the server's list says {}",
                                         file.name, strong ? "SHA-256" : "Git name", found,
                                         strong ? file.sha256 : file.blob),
                    "the transfer was damaged or the file exchanged; try again");
}

// All that is missing, in several attempts.
Status transfer_whole(Fetcher& fetcher, const std::string& base, const RemoteFile& file,
                      bool resume, FileWriter& writer) {
  PullProgress progress(file);
  bool whole = false;
  for (int attempt = 1; !whole && attempt <= kAttemptsMax; ++attempt) {
    if (attempt > 1) real_env().sleep_us((int64_t{1} << (attempt - 2)) * 500'000);
    whole = TRY(transfer(fetcher, base + file.name, file, writer, progress));
    if (whole && file.size && writer.size() < *file.size) whole = false;  // cut off politely
  }
  progress.end();
  if (!whole) {
    return make_error("E0930", fmt::format("{}: the connection broke {} times; {} of {} are there",
                                           file.name, kAttemptsMax, bytes_text(writer.size()),
                                           file.size ? bytes_text(*file.size) : "an unknown size"),
                      resume ? "run the same command again: it continues where it ended"
                             : "run the same command again: this file begins anew");
  }
  return ok_status();
}

// The whole file, checked, as a part that is still to be put in its place.
Result<FileWriter> fetch_file(Fetcher& fetcher, const std::string& base, const RemoteFile& file,
                              const std::string& directory) {
  // Without a hash nobody could tell that an old part is of another version.
  const bool resume = file.has_hash();
  FileWriter writer = TRY(FileWriter::create(directory + "/" + file.name, resume));
  writer.keep();
  const bool resumed = writer.size() > 0;
  TRY(transfer_whole(fetcher, base, file, resume, writer));
  const Status checked = check_content(file, writer);
  if (checked.ok()) return writer;
  if (!resumed) return checked.error();
  // What lay there was of another version: once more, from the beginning.
  TRY(transfer_whole(fetcher, base, file, resume, writer));
  TRY(check_content(file, writer));
  return writer;
}

// Where the files go, and what is known about those that lie there.
struct PullPlace {
  std::string directory;
  std::string commit;
  PullRecord record;

  // The file lies there with the content that this commit has: as the record vouches, or by its
  // hash, which the record then knows.
  bool has(const RemoteFile& file) {
    const std::string path = directory + "/" + file.name;
    const std::string identity = file.identity(commit);
    if (record.vouches(file.name, identity)) {
      return record.verified(file.name, identity, commit).ok();
    }
    if (!file.has_hash()) return false;
    const auto mapped = MappedFile::open(path);
    return mapped.ok() && is_content(file, mapped->bytes()) &&
           record.verified(file.name, identity, commit).ok();
  }
};

// All at once, when everything has come, and config.json last: whatever interrupts this, the
// directory is no model until its files are of one version. A configuration that stays is whole, so
// that it can wait as a part: the next call finds it and asks for nothing.
Status put_in_place(std::vector<std::pair<RemoteFile, FileWriter>>& fetched, PullPlace& place) {
  const auto is_config = [](const auto& one) { return one.first.name == "config.json"; };
  const std::string config = place.directory + "/config.json";
  const bool exchanged = std::ranges::any_of(fetched, is_config);
  const bool set_aside = !exchanged && fetched.size() > 1 && file_exists(config);
  std::error_code error;
  if (set_aside) std::filesystem::rename(config, config + ".part", error);
  if (exchanged && fetched.size() > 1) std::filesystem::remove(config, error);
  if (error) {
    return make_error("E0022", fmt::format("{}: {}", config, error.message()),
                      "nothing was exchanged; what came is kept as FILE.part");
  }
  for (const bool last : {false, true}) {
    for (auto& one : fetched) {
      if (is_config(one) != last) continue;
      const RemoteFile& file = one.first;
      TRY(one.second.commit());
      TRY(place.record.verified(file.name, file.identity(place.commit), place.commit));
    }
  }
  if (!set_aside) return ok_status();
  FileWriter kept = TRY(FileWriter::create(config, true));
  kept.keep();
  return kept.commit();
}

// Files of another version that stay beside those of this one: not asked for, or no longer listed.
std::vector<std::string> other_versions(const Listing& listing, PullPlace& place) {
  std::vector<std::string> names;
  for (const RemoteFile& file : listing.files) {
    const bool kept = a_model_needs(file.name, true) || file.name.ends_with(".gguf") ||
                      place.record.knows(file.name);
    if (!is_plain_name(file.name) || !kept) continue;
    if (file_exists(place.directory + "/" + file.name) && !place.has(file)) {
      names.push_back(file.name);
    }
  }
  for (const std::string& name : place.record.of_other_commits(place.commit)) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  for (const std::string& name : names) {
    say(fmt::format("warning: {} there is not of commit {}; fetch it too, or remove it",
                    name, place.commit));
  }
  return names;
}

std::string directory_of(const PullOptions& options) {
  if (!options.directory.empty()) return options.directory;
  std::string name = options.repository;
  std::replace(name.begin(), name.end(), '/', '_');
  if (options.revision != PullOptions().revision) name += "@" + options.revision;
  return data_directory() + "/models/" + name;
}

// Fetches what is not there; the report about each file.
Result<json::Array> fetch_all(Fetcher& fetcher, const PullOptions& options,
                              const std::vector<RemoteFile>& files, PullPlace& place) {
  const std::string base = fmt::format("/{}/resolve/{}/", options.repository, place.commit);
  json::Array report;
  std::vector<std::pair<RemoteFile, FileWriter>> fetched;
  for (const RemoteFile& file : files) {
    const bool there = place.has(file);
    if (!there) {
      fetched.emplace_back(file, TRY(fetch_file(fetcher, base, file, place.directory)));
    }
    say(fmt::format("{} {}", there ? "there already" : "fetched", file.name));
    if (!file.has_hash()) {
      say(fmt::format("warning: {}: the server names no hash, so that {} was checked", file.name,
                      file.size ? "only its size" : "nothing"));
    }
    report.push_back(json::Object{
        {"name", file.name}, {"fetched", !there}, {"checked_by", file.checked_by()}});
  }
  TRY(put_in_place(fetched, place));
  return report;
}

Result<json::Object> pull(const PullOptions& options) {
  const size_t slash = options.repository.find('/');
  if (slash == std::string::npos || !is_plain_name(options.repository.substr(0, slash)) ||
      !is_plain_name(options.repository.substr(slash + 1)) || !is_plain_name(options.revision)) {
    return make_error("E0904", fmt::format("{} at {} is no repository", quoted(options.repository),
                                           quoted(options.revision)),
                      "e.g. weft models pull Qwen/Qwen3-0.6B");
  }
  std::string endpoint = environment("HF_ENDPOINT").value_or("https://huggingface.co");
  while (endpoint.ends_with('/')) endpoint.pop_back();
  auto url = net::parse_url(endpoint);
  if (!url.ok()) return in_context(std::move(url).error(), "HF_ENDPOINT");
  Fetcher fetcher(endpoint, *url, environment("HF_TOKEN").value_or(""));
  const Listing listing = TRY(list_files(fetcher, options));
  const std::vector<RemoteFile> files = TRY(choose(listing, options));
  const std::string directory = directory_of(options);
  TRY(make_directories(directory));
  PullPlace place{directory, listing.commit, PullRecord::load(directory)};
  json::Array fetched = TRY(fetch_all(fetcher, options, files, place));
  json::Array other;
  for (const std::string& name : other_versions(listing, place)) other.emplace_back(name);
  TRY(place.record.save());
  return json::Object{{"model", directory}, {"commit", listing.commit},
                      {"files", std::move(fetched)}, {"other_versions", std::move(other)}};
}

}  // namespace

int pull_model(const PullOptions& options) {
  const auto done = pull(options);
  if (!done.ok()) {
    say_error(done.error());
    const std::string& code = done.error().code;
    return code == "E0904"   ? kExitUsage
           : code == "E0931" ? kExitRefused
           : code == "E0932" ? kExitNotFound
                             : kExitFailed;
  }
  print_data(options.json ? json::dump(*done)
                          : std::string(done->at("model").as_string()));
  return kExitOk;
}

}  // namespace weft::cli
