// epic::File against a string with a place in it: operations drawn from a seed.

#include <catch2/catch.hpp>

#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

/// A few numbers, the same in each process.
class FileDice {
 public:
  explicit FileDice(std::uint64_t seed) : state_(seed * 2654435761u + 1) {}
  std::uint64_t draw(std::uint64_t below) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % below;
  }
  /// Mostly small.
  std::size_t draw_size() { return draw(8) == 0 ? draw(400'000) : draw(3'000); }
  std::string draw_text() {
    std::string text(draw_size(), static_cast<char>('a' + draw(26)));
    for (std::size_t i = draw(200); i < text.size(); i += 1 + draw(2'000)) text[i] = '\n';
    return text;
  }

 private:
  std::uint64_t state_;
};

/// What a file and its place are to be.
struct FileModel {
  std::string content;
  std::size_t place = 0;

  std::string read_at(std::size_t offset, std::size_t count) const {
    return offset < content.size() ? content.substr(offset, count) : "";
  }
  std::string read(std::size_t count) {
    std::string read = read_at(place, count);
    place += read.size();
    return read;
  }
  std::optional<std::string> read_line() {
    if (place >= content.size()) return std::nullopt;
    std::string line = content.substr(place, content.find('\n', place) - place);
    place = std::min(place + line.size() + 1, content.size());
    return line;
  }
  void write_at(std::size_t offset, const std::string& text) {
    if (text.empty()) return;
    content.resize(std::max(content.size(), offset + text.size()));
    content.replace(offset, text.size(), text);
  }
  void write(const std::string& text) {
    write_at(place, text);
    place += text.size();
  }
};

class Forger : public Entity {
  std::int64_t lines_ = 0;

 public:
  /// Whatever is done, the file is as the model says. Returns what was not.
  Task<std::string> play(std::string path, std::uint64_t seed) {
    FileDice dice(seed);
    FileModel model;
    File file = co_await open(path, FileMode::write);
    for (int step = 0; step < 150; ++step) {
      const std::uint64_t what = dice.draw(11);
      const std::size_t size = dice.draw_size();
      const std::size_t offset = dice.draw(model.content.size() + 1'000);
      bool is_right = true;
      if (what <= 1) {
        for (const std::size_t count : {size, size, dice.draw_size()})
          is_right = is_right && co_await file.read(count) == model.read(count);
      } else if (what == 2) {
        is_right = co_await file.read_at(offset, size) == model.read_at(offset, size);
      } else if (what == 3) {
        for (std::uint64_t lines = dice.draw(30); lines > 0 && is_right; --lines)
          is_right = co_await file.read_line() == model.read_line();
      } else if (what <= 5) {
        for (std::uint64_t times = dice.draw(6); times > 0; --times) {
          const std::string text = dice.draw_text();
          co_await file.write(text);
          model.write(text);
        }
      } else if (what == 6) {
        const std::string text = dice.draw_text();
        co_await file.write_at(offset, text);
        model.write_at(offset, text);
      } else if (what == 7) {
        is_right = co_await file.size() == model.content.size();
        if (dice.draw(3) == 0) ++lines_;  // what follows waits for a commit
      } else if (what == 8) {
        is_right = co_await io::read_at(file, offset, size) == model.read_at(offset, size);
      } else if (what == 9) {
        const std::string text = dice.draw_text();
        co_await io::write_at(file, offset, text);
        model.write_at(offset, text);
      } else {
        co_await file.sync();
        file = co_await open(path, dice.draw(2) == 0 ? FileMode::read : FileMode::update);
        model.place = 0;
        is_right = co_await file.read(size) == model.read(size);
        file = co_await open(path, FileMode::update);
        model.place = 0;
      }
      if (!is_right) co_return "step " + std::to_string(step) + ", operation " + std::to_string(what);
    }
    co_await file.close();
    co_return co_await read_file(path) == model.content ? "" : "the end";
  }
  EPIC_ENTITY(Forger, state(lines_), methods(play))
};

const ModuleInfo& forgers() {
  static const EntityInfoFn entities[] = {&Forger::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct PlayedFileFixture {
  explicit PlayedFileFixture(std::uint64_t seed) : fabric({.seed = seed}, forgers(), codec) {
    fabric.run_for(100ms);
    for (int i = 0; fabric.owner_of(forger.name()) != 1; ++i) forger = Ref<Forger>(i);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Forger> forger{"a"};
};

}  // namespace

TEST_CASE("open file: whatever is done, one after the other, it is as if each was carried out at once", "[kernel]") {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    CAPTURE(seed);
    PlayedFileFixture f(seed);
    CHECK(f.fabric.call(1, f.forger.with(1h)->play("book", seed)).empty());
    f.fabric.run_for(100ms);
    CHECK(f.fabric.kernel(1).blocking().open_files().count == 0);
    CHECK(f.fabric.kernel(1).blocking().open_files().bytes_buffered == 0);
    CHECK(f.fabric.kernel(1).stats().blocking == 0);
    CHECK_FALSE(f.fabric.kernel(1).blocking().has_unwritten());
  }
}
