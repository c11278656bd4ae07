// SPDX-License-Identifier: Apache-2.0
//
// An MCP server as a child process: a message a line on its standard input and output. What it
// writes to standard error is for its own log and goes nowhere. It gets a small environment: what
// the operator's configuration says, PATH and HOME.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <deque>
#include <vector>

#include "base/strings.h"
#include "worker/asio_loop.h"
#include "worker/mcp_transport.h"
#include "worker/pipe.h"

namespace weft::worker {
namespace {

namespace asio = boost::asio;

constexpr size_t kLineBytesMax = size_t{64} << 20;
constexpr size_t kUnsentBytesMax = size_t{64} << 20;

class McpProgram final : public McpTransport {
 public:
  McpProgram(AsioLoop& loop, Events events, pid_t child, int input, int output)
      : state_(std::make_shared<State>(loop.io_context(), std::move(events), child)) {
    state_->input.assign(input);
    state_->output.assign(output);
    state_->read_more();
  }
  // A program that is not asked any more has no reason to live.
  ~McpProgram() override { state_->end(); }

  void send(const json::Object& message) override {
    state_->unsent.push_back(json::dump(message) + "\n");
    state_->unsent_bytes += state_->unsent.back().size();
    if (state_->unsent_bytes > kUnsentBytesMax) {
      return state_->fail("it does not read what it is sent");
    }
    if (state_->unsent.size() == 1) state_->write_more();
  }

 private:
  struct State : std::enable_shared_from_this<State> {
    State(asio::io_context& io, Events given, pid_t pid)
        : input(io), output(io), events(std::move(given)), child(pid) {}

    void read_more() {
      output.async_read_some(asio::buffer(buffer),
                             [self = shared_from_this()](boost::system::error_code error,
                                                         size_t size) {
        if (!self->open) return;
        if (error) return self->fail("it has ended");
        self->take(std::string_view(self->buffer.data(), size));
        if (self->open) self->read_more();
      });
    }

    void take(std::string_view bytes) {
      size_t from = line.size();
      line += bytes;
      for (size_t end = 0; open && (end = line.find('\n', from)) != std::string::npos; from = 0) {
        const std::string text = line.substr(0, end);
        line.erase(0, end + 1);
        if (trim(text).empty()) continue;
        auto message = json::parse(text);
        if (!message.ok()) {
          return fail(fmt::format("it wrote a line that is no JSON: {}", quoted(text, 80)));
        }
        const auto told = events.message;
        told(std::move(*message));
      }
      if (line.size() > kLineBytesMax) fail("it wrote a line without end");
    }

    void write_more() {
      asio::async_write(input, asio::buffer(unsent.front()),
                        [self = shared_from_this()](boost::system::error_code error, size_t) {
        if (!self->open) return;
        if (error) return self->fail("it has closed its input");
        self->unsent_bytes -= self->unsent.front().size();
        self->unsent.pop_front();
        if (!self->unsent.empty()) self->write_more();
      });
    }

    void fail(std::string why) {
      if (!open) return;
      const auto told = events.closed;
      end();
      told(make_error("E0632", std::move(why)));
    }

    void end() {
      if (!std::exchange(open, false)) return;
      boost::system::error_code ignored;
      input.close(ignored);
      output.close(ignored);
      ::kill(-child, SIGKILL);  // and what it has started
      ::waitpid(child, nullptr, 0);
      events = {};
    }

    asio::posix::stream_descriptor input, output;
    Events events;
    const pid_t child;
    bool open = true;
    std::array<char, 65536> buffer;
    std::string line;
    std::deque<std::string> unsent;
    size_t unsent_bytes = 0;
  };

  std::shared_ptr<State> state_;
};

// The two ends that the program gets, as its standard input and output; its process group is its
// own, so that Ctrl-C at the terminal is ours to pass on.
Result<pid_t> spawn(const McpServerSettings& settings, int input, int output) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : settings.environment) variables.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  std::vector<std::string> words = settings.command;
  for (std::string& word : words) argv.push_back(word.data());
  for (std::string& variable : variables) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t usual;  // what is ignored here would be ignored there
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int failed = ::posix_spawnp(&child, argv[0], &files, &attributes, argv.data(),
                                    envp.data());
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  if (failed == 0) return child;
  return make_error("E0630", fmt::format("the program {} cannot be started ({})",
                                         quoted(settings.command[0]), failed),
                    "is it installed, and is its path right?");
}

}  // namespace

Result<std::unique_ptr<McpTransport>> start_mcp_program(AsioLoop& loop,
                                                        const McpServerSettings& settings,
                                                        McpTransport::Events events) {
  CHECK(!settings.command.empty(), "a server without a command");
  ignore_broken_pipes();
  Pipe input = TRY(Pipe::make());
  Pipe output = TRY(Pipe::make());
  const pid_t child = TRY(spawn(settings, input.read.get(), output.write.get()));
  return std::unique_ptr<McpTransport>(std::make_unique<McpProgram>(
      loop, std::move(events), child, input.write.release(), output.read.release()));
}

}  // namespace weft::worker
