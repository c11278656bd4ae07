// SPDX-License-Identifier: Apache-2.0
#include "security/checkpoint_outbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/digest.h"
#include "base/json.h"
#include "base/strings.h"
#include "obs/log.h"
#include "security/checkpoint.h"

namespace weft::security {
namespace {

constexpr size_t kBatchBytesMax = size_t{2} << 20;  // of several lines; more than any one has
constexpr size_t kPlaceBytesMax = 4096;

Error unreadable(const std::string& path) {
  return make_error("E0764", fmt::format("the checkpoints in {}: {}", quoted(path, 300),
                                         std::strerror(errno)));
}

Error another_file(const std::string& path, std::string_view how) {
  return make_error("E0766", fmt::format("the checkpoints in {} {}", quoted(path, 300), how),
                    "the file was changed, cut or exchanged after its lines had been told");
}

}  // namespace

CheckpointOutbox::CheckpointOutbox(std::string file, std::string_view receiver)
    : file_(std::move(file)), receiver_(sha256_hex(receiver)) {}

int64_t CheckpointOutbox::told() const {
  const std::lock_guard lock(mutex_);
  return told_.lines;
}

// Whether it is this process that tells. A place that is torn or another receiver's counts as none.
Result<bool> CheckpointOutbox::hold() {
  if (place_) return true;
  const std::string path = file_ + ".told";
  Descriptor place(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (place.get() < 0) return unreadable(path);
  if (::flock(place.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    return unreadable(path);
  }
  std::string text(kPlaceBytesMax, '\0');
  const ssize_t size = ::pread(place.get(), text.data(), text.size(), 0);
  if (size < 0) return unreadable(path);
  text.resize(static_cast<size_t>(size));
  told_ = {};
  const auto parsed = json::parse(text);
  if (parsed.ok() && parsed->is_object()) {
    const json::Object& said = parsed->as_object();
    const auto number = [&](const char* name) {
      const json::Value* value = said.if_contains(name);
      return value != nullptr && value->is_int64() ? value->as_int64() : 0;
    };
    const auto word = [&](const char* name) {
      const json::Value* value = said.if_contains(name);
      return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
    };
    if (word("receiver") == receiver_) told_ = {number("lines"), number("bytes"), word("last")};
  }
  place_.emplace(std::move(place));
  return true;
}

// What follows `told_`.
Result<std::optional<CheckpointOutbox::Batch>> CheckpointOutbox::read() const {
  const Descriptor file(::open(file_.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno != ENOENT) return unreadable(file_);
    if (told_.lines > 0) return another_file(file_, "are gone");
    return std::optional<Batch>();
  }
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return unreadable(file_);
  if (about.st_size < told_.bytes) return another_file(file_, "are fewer than were told");
  const auto untold = static_cast<size_t>(about.st_size - told_.bytes);
  Batch batch;
  batch.text.resize(std::min(untold, kBatchBytesMax));
  const ssize_t size = ::pread(file.get(), batch.text.data(), batch.text.size(), told_.bytes);
  if (size < 0) return unreadable(file_);
  batch.text.resize(static_cast<size_t>(size));
  const size_t whole = batch.text.rfind('\n');
  if (whole == batch.text.npos) return std::optional<Batch>();  // one is being written
  batch.text.resize(whole + 1);
  const std::string_view lines = std::string_view(batch.text).substr(0, whole);
  const auto first = checkpoint_place(lines.substr(0, lines.find('\n')));
  if (!first.ok()) return another_file(file_, "have a line that is none");
  if (first->n != told_.lines + 1 || first->previous != told_.last) {
    return another_file(file_, fmt::format("do not go on with line {}", told_.lines + 1));
  }
  const size_t before_last = lines.rfind('\n');
  const std::string_view last =
      before_last == lines.npos ? lines : lines.substr(before_last + 1);
  batch.first = first->n;
  batch.at_us = first->at_us;
  batch.last = TRY(checkpoint_place(last)).n;
  batch.last_hash = sha256_hex(last);
  batch.end = told_.bytes + static_cast<int64_t>(batch.text.size());
  return std::optional(std::move(batch));
}

Result<std::optional<CheckpointOutbox::Batch>> CheckpointOutbox::next() {
  const std::lock_guard lock(mutex_);
  if (!TRY(hold())) return std::optional<Batch>();
  auto batch = read();
  if (batch.ok() || batch.error().code != "E0766" || told_.lines == 0) return batch;
  obs::log(obs::Level::kError, "audit", "{}; all of them are told anew", batch.error().text());
  told_ = {};
  return read();
}

Status CheckpointOutbox::acknowledge(const Batch& batch) {
  const std::lock_guard lock(mutex_);
  told_ = {batch.last, batch.end, batch.last_hash};
  // In place: a torn one means that lines are told again.
  const std::string text = json::dump(json::Object{{"receiver", receiver_},
                                                   {"lines", told_.lines},
                                                   {"bytes", told_.bytes},
                                                   {"last", told_.last}}) + "\n";
  if (::ftruncate(place_->get(), 0) != 0 ||
      ::pwrite(place_->get(), text.data(), text.size(), 0) != std::ssize(text)) {
    return unreadable(file_ + ".told");
  }
  return ok_status();
}

}  // namespace weft::security
