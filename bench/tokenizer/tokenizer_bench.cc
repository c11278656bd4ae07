// SPDX-License-Identifier: Apache-2.0
//
// One side of the comparison in bench/tokenizer/run: reads a tokenizer.json, then, for every path
// on stdin, encodes that file in pieces of about 8 KiB and prints {"seconds", "tokens", "digest"}:
// seconds of CPU, which other programs on the machine disturb less than the time that passes.
// The other side, peer.mjs, speaks the same.
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/tokenizer.h"

namespace {

constexpr size_t kPieceBytes = 8192;

// Whole lines, as many as fit; a longer line is a piece of its own.
std::vector<std::string> pieces_of(const std::string& text) {
  std::vector<std::string> pieces(1);
  for (size_t at = 0; at < text.size();) {
    size_t end = text.find('\n', at);
    end = end == std::string::npos ? text.size() : end + 1;
    if (!pieces.back().empty() && pieces.back().size() + end - at > kPieceBytes) {
      pieces.emplace_back();
    }
    pieces.back().append(text, at, end - at);
    at = end;
  }
  return pieces;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fputs("usage: tokenizer_bench TOKENIZER.json\n", stderr), 2;
  const auto file = weft::read_file(argv[1]);
  if (!file.ok()) return std::fprintf(stderr, "%s\n", file.error().text().c_str()), 3;
  const auto tokenizer = weft::text::Tokenizer::parse(*file);
  if (!tokenizer.ok()) return std::fprintf(stderr, "%s\n", tokenizer.error().text().c_str()), 3;
  char line[4096];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    std::string path(line);
    path.resize(path.find_last_not_of('\n') + 1);
    const auto text = weft::read_file(path);
    if (!text.ok()) return std::fprintf(stderr, "%s\n", text.error().text().c_str()), 3;
    const std::vector<std::string> pieces = pieces_of(*text);
    std::vector<std::vector<weft::text::TokenId>> encoded;
    encoded.reserve(pieces.size());
    const std::clock_t start = std::clock();
    for (const std::string& piece : pieces) encoded.push_back(tokenizer->encode(piece));
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    size_t tokens = 0;
    uint32_t digest = 2166136261u;
    for (const auto& ids : encoded) {
      tokens += ids.size();
      for (const auto id : ids) digest = (digest ^ static_cast<uint32_t>(id)) * 16777619u;
    }
    std::printf("{\"seconds\": %.9f, \"tokens\": %zu, \"digest\": %u}\n", seconds, tokens,
                digest);
    std::fflush(stdout);
  }
  return 0;
}
