// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target once on every input of a packed corpus (pack.py) and on every file below the
// folders that are named, so that each finding of a fuzzing campaign is a test of every build. The
// input's place stands on stdout before it is run: after a crash the last line names it.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

struct Input {
  std::string place;
  std::string bytes;
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A line of a packed corpus: \\ \n \r \t \xNN, and every other character for itself.
bool unpack(std::string_view line, std::string& bytes) {
  bytes.clear();
  while (!line.empty()) {
    size_t used = 1;
    char byte = line[0];
    if (byte == '\\') {
      const char kind = line.size() > 1 ? line[1] : '\0';
      const size_t known = std::string_view("\\nrtx").find(kind);
      if (known == std::string_view::npos) return false;
      byte = "\\\n\r\t"[known];
      used = 2;
      if (kind == 'x') {
        uint8_t value = 0;
        const char* end = line.data() + std::min<size_t>(4, line.size());
        if (std::from_chars(line.data() + 2, end, value, 16).ptr != line.data() + 4) return false;
        byte = static_cast<char>(value);
        used = 4;
      }
    }
    bytes += byte;
    line.remove_prefix(used);
  }
  return true;
}

bool read_packed(const fs::path& path, std::vector<Input>& inputs) {
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    Input& input = inputs.emplace_back();
    input.place = path.string() + ":" + std::to_string(inputs.size());
    if (!unpack(line, input.bytes)) {
      std::printf("%s: not written by pack.py\n", input.place.c_str());
      return false;
    }
  }
  return true;
}

void read_folder(const fs::path& path, std::vector<Input>& inputs) {
  const auto first = static_cast<std::ptrdiff_t>(inputs.size());
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) inputs.push_back({entry.path().string(), read(entry.path())});
  }
  std::sort(inputs.begin() + first, inputs.end(),
            [](const Input& a, const Input& b) { return a.place < b.place; });
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Input> inputs;
  for (int i = 1; i < argc; ++i) {
    const fs::path path = argv[i];
    if (!fs::exists(path)) continue;  // no regressions yet
    if (fs::is_directory(path)) {
      read_folder(path, inputs);
    } else if (!read_packed(path, inputs)) {
      return 1;
    }
  }
  for (const auto& [place, bytes] : inputs) {
    std::puts(place.c_str());
    std::fflush(stdout);
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
  std::printf("%zu inputs\n", inputs.size());
  return inputs.empty() ? 1 : 0;
}
