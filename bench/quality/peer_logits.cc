// SPDX-License-Identifier: Apache-2.0
//
// llama.cpp's side of bench/quality/run, over its C interface:
//
//   peer_logits quantize FILE TYPE OUT       TYPE: bf16, q8_0, q4_0 (every matrix), q4_k_m (mixed)
//   peer_logits logits MODEL KV TEXT OUT     as quality_bench's; KV: f32, f16, q8_0
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

constexpr int kBatch = 256;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "peer_logits: %s\n", what.c_str());
  std::exit(1);
}

int quantize(const std::string& from, const std::string& type, const std::string& to) {
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.nthread = static_cast<int>(std::thread::hardware_concurrency());
  params.pure = type != "q4_k_m";
  if (type == "bf16") params.ftype = LLAMA_FTYPE_MOSTLY_BF16;
  else if (type == "q8_0") params.ftype = LLAMA_FTYPE_MOSTLY_Q8_0;
  else if (type == "q4_0") params.ftype = LLAMA_FTYPE_MOSTLY_Q4_0;
  else if (type == "q4_k_m") params.ftype = LLAMA_FTYPE_MOSTLY_Q4_K_M;
  else fail("no type " + type);
  return static_cast<int>(llama_model_quantize(from.c_str(), to.c_str(), &params));
}

ggml_type kv_type(const std::string& name) {
  if (name == "f32") return GGML_TYPE_F32;
  if (name == "f16") return GGML_TYPE_F16;
  if (name == "q8_0") return GGML_TYPE_Q8_0;
  fail("no KV type " + name);
}

void sequence(llama_context* context, int words, size_t prompt, std::vector<llama_token> ids,
              std::ofstream& out) {
  llama_memory_clear(llama_get_memory(context), true);
  for (size_t at = 0; at + 1 < ids.size(); at += kBatch) {
    const size_t count = std::min<size_t>(kBatch, ids.size() - 1 - at);
    llama_batch batch = llama_batch_init(static_cast<int>(count), 0, 1);
    batch.n_tokens = static_cast<int>(count);
    for (size_t i = 0; i < count; ++i) {
      batch.token[i] = ids[at + i];
      batch.pos[i] = static_cast<llama_pos>(at + i);
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = at + i + 1 >= prompt ? 1 : 0;
    }
    if (llama_decode(context, batch) != 0) fail("llama_decode");
    for (size_t i = 0; i < count; ++i) {
      if (batch.logits[i] == 0) continue;
      const float* row = llama_get_logits_ith(context, static_cast<int>(i));
      out.write(reinterpret_cast<const char*>(row),
                static_cast<std::streamsize>(sizeof(float) * static_cast<size_t>(words)));
    }
    llama_batch_free(batch);
  }
}

int logits(const std::string& path, const std::string& kv, const std::string& text,
           const std::string& to) {
  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  llama_model* model = llama_model_load_from_file(path.c_str(), model_params);
  if (model == nullptr) fail(path + " was not loaded");
  llama_context_params params = llama_context_default_params();
  params.n_ctx = 2048;
  params.n_batch = params.n_ubatch = kBatch;
  params.n_threads = params.n_threads_batch = static_cast<int>(std::thread::hardware_concurrency());
  params.type_k = params.type_v = kv_type(kv);
  params.flash_attn_type =
      kv == "q8_0" ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) fail("no context");
  const int words = llama_vocab_n_tokens(llama_model_get_vocab(model));
  std::ifstream in(text);
  std::ofstream out(to, std::ios::binary);
  for (std::string line; std::getline(in, line);) {
    std::istringstream numbers(line);
    size_t prompt = 0;
    numbers >> prompt;
    std::vector<llama_token> ids;
    for (llama_token id = 0; numbers >> id;) ids.push_back(id);
    sequence(context, words, prompt, std::move(ids), out);
  }
  llama_free(context);
  llama_model_free(model);
  return out.good() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  ggml_backend_load_all();
  llama_backend_init();
  const std::string what = words.empty() ? "" : words[0];
  if (what == "quantize" && words.size() == 4) return quantize(words[1], words[2], words[3]);
  if (what == "logits" && words.size() == 5) return logits(words[1], words[2], words[3], words[4]);
  fail("usage: quantize FILE TYPE OUT | logits MODEL KV TEXT OUT");
}
