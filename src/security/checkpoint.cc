// SPDX-License-Identifier: Apache-2.0
#include "security/checkpoint.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/descriptor.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"

namespace weft::security {
namespace {

constexpr size_t kPrunedChainsMax = 1000;  // of a line, which stays shorter than kTailBytes
constexpr size_t kPrunedRunsMax = 1000;    // likewise
constexpr int64_t kTailBytes = int64_t{1} << 20;  // more than any line has

Error unwritable(const std::string& path) {
  return make_error("E0764", fmt::format("the checkpoints in {}: {}", quoted(path, 300),
                                         std::strerror(errno)));
}

Error no_checkpoint(int64_t line, std::string_view what) {
  return make_error("E0766", fmt::format("checkpoint {}: {}", line, what),
                    "the file was changed after it was written, or is none of weft's");
}

// One line taken apart; its signature is not looked at.
struct Line {
  int64_t n = 0;
  int64_t at_us = 0;
  std::string previous;
  std::string key;
  std::vector<ChainState> chains;
  std::vector<ChainState> pruned;
  std::vector<PrunedRun> runs;
  std::vector<SealedChain> sealed;
  int64_t before_us = 0;
  std::string_view payload;
  std::string signature;
};

Result<ChainState> chain_of(const json::Value& value, int64_t number) {
  const json::Array* parts = value.if_array();
  if (parts == nullptr || parts->size() != 5 || !(*parts)[0].is_string() ||
      !(*parts)[1].is_string() || !(*parts)[2].is_int64() || !(*parts)[3].is_int64() ||
      !(*parts)[4].is_string()) {
    return no_checkpoint(number, "a chain is not [kind, writer, epoch, length, hash]");
  }
  ChainState out{std::string((*parts)[0].get_string()), std::string((*parts)[1].get_string()),
                 (*parts)[2].get_int64(), (*parts)[3].get_int64(), {}};
  out.hash = TRY(from_hex((*parts)[4].get_string()));
  return out;
}

Result<std::vector<ChainState>> chains_of(const json::Array& all, int64_t number) {
  std::vector<ChainState> out;
  for (const json::Value& chain : all) {
    auto state = chain_of(chain, number);
    if (!state.ok()) return no_checkpoint(number, "a chain is malformed");
    out.push_back(std::move(*state));
  }
  return out;
}

// As a chain, with one hash more.
Result<std::vector<SealedChain>> sealed_of(const json::Array& all, int64_t number) {
  std::vector<SealedChain> out;
  for (const json::Value& one : all) {
    const json::Array* parts = one.if_array();
    if (parts == nullptr || parts->size() != 6 || !(*parts)[5].is_string()) {
      return no_checkpoint(number, "a sealed chain is not [kind, writer, epoch, n, hash, hash]");
    }
    json::Array state(*parts);
    state.pop_back();
    auto before = chain_of(state, number);
    auto now = from_hex((*parts)[5].get_string());
    if (!before.ok() || !now.ok()) return no_checkpoint(number, "a sealed chain is malformed");
    std::string hash = std::exchange(before->hash, std::move(*now));
    out.push_back({std::move(*before), std::move(hash)});
  }
  return out;
}

Result<std::vector<PrunedRun>> runs_of(const json::Array& all, int64_t number) {
  std::vector<PrunedRun> out;
  for (const json::Value& one : all) {
    const json::Array* parts = one.if_array();
    if (parts == nullptr || parts->size() != 3 || !(*parts)[0].is_string() ||
        !(*parts)[1].is_int64() || !(*parts)[2].is_string()) {
      return no_checkpoint(number, "a run is not [run, events, digest]");
    }
    auto digest = from_hex((*parts)[2].get_string());
    if (!digest.ok()) return no_checkpoint(number, "a run's digest is no hexadecimal number");
    out.push_back({std::string((*parts)[0].get_string()), (*parts)[1].get_int64(),
                   std::move(*digest)});
  }
  return out;
}

json::Array chains_text(std::span<const ChainState> chains) {
  json::Array out;
  for (const ChainState& chain : chains) {
    out.push_back(
        json::Array{chain.kind, chain.writer, chain.epoch, chain.length, to_hex(chain.hash)});
  }
  return out;
}

json::Array runs_text(std::span<const PrunedRun> runs) {
  json::Array out;
  for (const PrunedRun& run : runs) {
    out.push_back(json::Array{run.run, run.events, to_hex(run.digest)});
  }
  return out;
}

Result<Line> line_of(std::string_view text, int64_t number) {
  const size_t tab = text.rfind('\t');
  if (tab == text.npos) return no_checkpoint(number, "it has no signature");
  Line out;
  out.payload = text.substr(0, tab);
  auto signature = from_hex(text.substr(tab + 1));
  if (!signature.ok()) return no_checkpoint(number, "its signature is no hexadecimal number");
  out.signature = std::move(*signature);
  const auto parsed = json::parse(out.payload);
  const json::Object* object = parsed.ok() ? parsed->if_object() : nullptr;
  if (object == nullptr) return no_checkpoint(number, "it is no JSON object");
  const auto member = [&](std::string_view name) -> const json::Value& {
    static const json::Value null;
    const json::Value* found = object->if_contains(name);
    return found == nullptr ? null : *found;
  };
  if (!member("n").is_int64() || !member("at_us").is_int64() || !member("previous").is_string() ||
      !member("key").is_string() || !member("chains").is_array()) {
    return no_checkpoint(number, "expected n, at_us, previous, chains and key");
  }
  out.n = member("n").get_int64();
  out.at_us = member("at_us").get_int64();
  out.previous = std::string(member("previous").get_string());
  auto key = from_hex(member("key").get_string());
  if (!key.ok()) return no_checkpoint(number, "its key is no hexadecimal number");
  out.key = std::move(*key);
  out.chains = TRY(chains_of(member("chains").get_array(), number));
  if (const json::Array* pruned = member("pruned").if_array()) {
    out.pruned = TRY(chains_of(*pruned, number));
    if (member("before_us").is_int64()) out.before_us = member("before_us").get_int64();
  }
  if (const json::Array* runs = member("runs").if_array()) out.runs = TRY(runs_of(*runs, number));
  if (const json::Array* sealed = member("sealed").if_array()) {
    out.sealed = TRY(sealed_of(*sealed, number));
  }
  return out;
}

// The file's last line, without its line feed; empty if there is none.
Result<std::string> last_line(int file, const std::string& path) {
  struct stat about {};
  if (::fstat(file, &about) != 0) return unwritable(path);
  const int64_t from = std::max<int64_t>(0, about.st_size - kTailBytes);
  std::string tail(static_cast<size_t>(about.st_size - from), '\0');
  if (::pread(file, tail.data(), tail.size(), from) != std::ssize(tail)) return unwritable(path);
  if (tail.empty()) return tail;
  if (tail.back() == '\n') {
    tail.pop_back();
  } else {
    // A crash cut the line off: it was never waited for, and its place is given to the next.
    const size_t whole = tail.rfind('\n');
    const int64_t keep = whole == tail.npos ? from : from + static_cast<int64_t>(whole) + 1;
    if (::ftruncate(file, keep) != 0) return unwritable(path);
    tail.resize(whole == tail.npos ? 0 : whole);
  }
  const size_t begin = tail.rfind('\n');
  return begin == tail.npos ? tail : tail.substr(begin + 1);
}

// `more`: members that the line has besides.
Status append_line(const std::string& path, const Secret& seed, int64_t at_us,
                   std::span<const ChainState> chains, const json::Object& more) {
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (file.get() < 0 || ::flock(file.get(), LOCK_EX) != 0) return unwritable(path);
  const std::string before = TRY(last_line(file.get(), path));
  int64_t n = 1;
  if (!before.empty()) n = TRY(line_of(before, 0)).n + 1;
  json::Object line_object{{"n", n},
                           {"at_us", at_us},
                           {"previous", before.empty() ? "" : sha256_hex(before)},
                           {"chains", chains_text(chains)}};
  for (const auto& member : more) line_object[member.key()] = member.value();
  line_object["key"] = to_hex(public_key(seed));
  const std::string payload = json::dump(line_object);
  const std::string line = payload + "\t" + to_hex(sign(seed, payload)) + "\n";
  if (::write(file.get(), line.data(), line.size()) != std::ssize(line) ||
      ::fdatasync(file.get()) != 0) {
    return unwritable(path);
  }
  return ok_status();
}

// The newest state that was signed before must be one of the chain that was sealed; a line that a
// crash has doubled says the same again.
Status note_sealed(const Line& line, Checkpoints& out) {
  for (const SealedChain& chain : line.sealed) {
    const Checkpoints::Chain name{chain.now.kind, chain.now.writer, chain.now.epoch};
    auto& states = out.chains[name];
    const auto last = states.find(chain.now.length);
    const bool same = last == states.end() || last->second == chain.before ||
                      last->second == chain.now.hash;
    if (!same || states.upper_bound(chain.now.length) != states.end()) {
      return no_checkpoint(line.n, "it seals another chain than was signed before");
    }
    states.clear();
    states[chain.now.length] = chain.now.hash;
    out.sealed.insert(name);
  }
  return ok_status();
}

Status note_pruned(const Line& line, Checkpoints& out) {
  for (const ChainState& chain : line.pruned) {
    const Checkpoints::Chain name{chain.kind, chain.writer, chain.epoch};
    const auto states = out.chains.find(name);
    const bool was_signed = states != out.chains.end() && states->second.contains(chain.length) &&
                            states->second.at(chain.length) == chain.hash;
    if (!was_signed) return no_checkpoint(line.n, "it removes what was not signed before");
    out.pruned[name][chain.length] = chain.hash;
  }
  out.pruned_before_us = std::max(out.pruned_before_us, line.before_us);
  for (const PrunedRun& run : line.runs) out.pruned_runs[run.run] = run;
  return ok_status();
}

}  // namespace

Status append_checkpoint(const std::string& path, const Secret& seed, int64_t at_us,
                         std::span<const ChainState> chains) {
  return append_line(path, seed, at_us, chains, {});
}

Status append_pruning(const std::string& path, const Secret& seed, int64_t at_us,
                      const Pruning& pruning) {
  std::span<const ChainState> rest = pruning.chains;
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), kPrunedChainsMax));
    rest = rest.subspan(part.size());
    TRY(append_line(path, seed, at_us, {},
                    {{"before_us", pruning.before_us},
                     {"records", pruning.records},
                     {"pruned", chains_text(part)}}));
  }
  return ok_status();
}

Status append_run_pruning(const std::string& path, const Secret& seed, const RunPruning& pruning) {
  std::span<const PrunedRun> rest = pruning.runs;
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), kPrunedRunsMax));
    rest = rest.subspan(part.size());
    json::Object more;
    if (pruning.before_us != 0) more["before_us"] = pruning.before_us;
    if (!pruning.by.empty()) more["by"] = pruning.by;
    more["runs"] = runs_text(part);
    TRY(append_line(path, seed, pruning.at_us, {}, more));
  }
  return ok_status();
}

Status append_sealing(const std::string& path, const Secret& seed, int64_t at_us,
                      std::span<const SealedChain> chains) {
  std::span<const SealedChain> rest = chains;
  while (!rest.empty()) {
    const auto part = rest.first(std::min(rest.size(), kPrunedChainsMax));
    rest = rest.subspan(part.size());
    json::Array list;
    for (const auto& [now, before] : part) {
      list.push_back(json::Array{now.kind, now.writer, now.epoch, now.length, to_hex(before),
                                 to_hex(now.hash)});
    }
    TRY(append_line(path, seed, at_us, {}, {{"sealed", std::move(list)}}));
  }
  return ok_status();
}

std::string signed_removal(const Secret& seed, const RunPruning& pruning) {
  json::Object object{{"removal", 1}, {"at_us", pruning.at_us}};
  if (pruning.before_us != 0) object["before_us"] = pruning.before_us;
  if (!pruning.by.empty()) object["by"] = pruning.by;
  object["runs"] = runs_text(pruning.runs);
  object["key"] = to_hex(public_key(seed));
  const std::string payload = json::dump(object);
  return payload + "\t" + to_hex(sign(seed, payload));
}

std::vector<PrunedRun> removed_by(std::string_view text, std::string_view key) {
  const size_t tab = text.rfind('\t');
  if (tab == text.npos || key.empty()) return {};
  const std::string_view payload = text.substr(0, tab);
  const auto signature = from_hex(text.substr(tab + 1));
  if (!signature.ok() || !signature_fits(key, payload, *signature)) return {};
  const auto parsed = json::parse(payload);
  const json::Object* object = parsed.ok() ? parsed->if_object() : nullptr;
  if (object == nullptr || !object->contains("removal")) return {};
  const json::Value* runs = object->if_contains("runs");
  if (runs == nullptr || !runs->is_array()) return {};
  auto out = runs_of(runs->get_array(), 0);
  return out.ok() ? std::move(*out) : std::vector<PrunedRun>();
}

Result<Checkpoints> read_checkpoints(std::string_view text, std::string_view key) {
  Checkpoints out;
  out.key = key;
  std::string previous;
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == text.npos) break;  // cut off by a crash while it was written
    const std::string_view bytes = text.substr(0, end);
    text.remove_prefix(end + 1);
    const int64_t number = out.lines + 1;
    const Line line = TRY(line_of(bytes, number));
    const bool again = line.n >= 1 && line.n < number &&
                       lines[static_cast<size_t>(line.n - 1)] == bytes;
    if (again) continue;
    if (out.key.empty()) out.key = line.key;
    if (line.key != out.key || !signature_fits(out.key, line.payload, line.signature)) {
      return no_checkpoint(number, "it is not signed by the key that is expected");
    }
    if (line.n != number || line.previous != previous) {
      return no_checkpoint(number, "a line before it is missing, or was changed or moved");
    }
    previous = sha256_hex(bytes);
    lines.push_back(bytes);
    for (const ChainState& chain : line.chains) {
      out.chains[{chain.kind, chain.writer, chain.epoch}][chain.length] = chain.hash;
    }
    TRY(note_sealed(line, out));
    TRY(note_pruned(line, out));
    out.newest_us = std::max(out.newest_us, line.at_us);
    out.lines = number;
  }
  return out;
}

Result<CheckpointPlace> checkpoint_place(std::string_view line) {
  Line parts = TRY(line_of(line, 0));
  return CheckpointPlace{parts.n, parts.at_us, std::move(parts.previous)};
}

}  // namespace weft::security
