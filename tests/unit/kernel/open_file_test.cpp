// epic::File, as the kernel sees it.

#include <catch2/catch.hpp>

#include <epic/epic.hpp>
#include <filesystem>

#include "codec/capnp_codec.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kTooFar = 1ull << 40;  // nothing can be written there

class Archivist : public Entity {
  std::int64_t lines_ = 0;
  std::string notes_;
  File book_;  // open for as long as it is in memory
  std::vector<File> shelf_;

  static FileMode mode_of(const std::string& name) {
    if (name == "read") return FileMode::read;
    if (name == "write") return FileMode::write;
    return name == "append" ? FileMode::append : FileMode::update;
  }

 public:
  Task<> open_book(std::string path, std::string mode) { book_ = co_await open(std::move(path), mode_of(mode)); }
  Task<> close_book() { co_await book_.close(); }
  Task<> drop_book() {
    book_ = {};
    co_return;
  }
  Task<> write(std::string text) { co_await book_.write(std::move(text)); }
  Task<> write_at(std::uint64_t offset, std::string text) { co_await book_.write_at(offset, std::move(text)); }
  Task<std::string> read(std::uint64_t count) { co_return co_await book_.read(count); }
  Task<std::string> read_at(std::uint64_t offset, std::uint64_t count) {
    co_return co_await book_.read_at(offset, count);
  }
  Task<std::optional<std::string>> read_line() { co_return co_await book_.read_line(); }
  Task<std::uint64_t> count_lines() {
    std::uint64_t count = 0;
    while (co_await book_.read_line()) ++count;
    co_return count;
  }
  Task<std::uint64_t> size() { co_return co_await book_.size(); }
  Task<> sync() { co_await book_.sync(); }

  Task<std::int64_t> note_line() {
    const std::int64_t line = ++lines_;
    co_await book_.write(std::to_string(line) + "\n");
    co_return line;
  }
  Task<> note_much(std::uint64_t bytes) {
    notes_.assign(bytes, 'x');
    co_await book_.write("much");
  }
  Task<std::int64_t> lines() const { co_return lines_; }
  Task<> write_in_file(std::string path, std::string text) const {
    File file = co_await open(std::move(path), FileMode::append);
    co_await file.write(std::move(text));
  }
  Task<std::string> whole(std::string path) const { co_return co_await read_file(std::move(path)); }

  Task<std::string> spawn_all(std::string path, std::int64_t count) {
    File file = co_await open(path, FileMode::update);
    std::vector<Spawned<void>> writes;
    std::vector<Spawned<std::string>> reads;
    for (std::int64_t i = 1; i <= count; ++i) {
      ++lines_;
      writes.push_back(spawn(file.write(std::to_string(i))));
      reads.push_back(spawn(file.read_at(static_cast<std::uint64_t>(i - 1), 100)));
    }
    file = {};  // what is under way goes on
    std::string read;
    for (const Spawned<std::string>& one : reads) read += co_await one;
    for (const Spawned<void>& one : writes) co_await one;
    co_return read;
  }
  /// The second one waits for room, the others for it.
  Task<> write_three(std::uint64_t bytes, bool must_cancel) {
    ++lines_;
    std::vector<Spawned<void>> writes;
    writes.push_back(spawn(book_.write(std::string(bytes, 'a'))));
    writes.push_back(spawn(book_.write(std::string(bytes, 'b'))));
    writes.push_back(spawn(book_.write("c")));
    co_await sleep(1ms);
    if (must_cancel) writes[1].cancel();
    for (const Spawned<void>& one : writes) try {
        co_await one;
      } catch (const Cancelled&) {
      }
  }
  /// A read that is cancelled has read nothing.
  Task<std::string> read_twice() {
    auto first = spawn(book_.read(4));
    co_await sleep(1us);
    first.cancel();
    try {
      co_await first;
      co_return "was not cancelled";
    } catch (const Cancelled&) {
    }
    co_return co_await book_.read(4);
  }
  Task<std::int64_t> open_many(std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) try {
        shelf_.push_back(co_await open("shelf/" + std::to_string(i), FileMode::update));
      } catch (const Overloaded& error) {
        notes_ = error.what();
        break;
      }
    co_return static_cast<std::int64_t>(shelf_.size());
  }
  Task<> write_now(std::uint64_t offset, std::string text) { co_await io::write_at(book_, offset, std::move(text)); }
  Task<> append_now(std::string text) { co_await io::append(book_, std::move(text)); }
  Task<std::string> read_now(std::uint64_t offset, std::uint64_t count) {
    co_return co_await io::read_at(book_, offset, count);
  }
  Task<> sync_now() { co_await io::sync(book_); }
  Task<> note_now(std::string text) {
    ++lines_;
    co_await io::append(book_, std::move(text));
  }
  /// All at once; one of them fails, and is not the last.
  Task<std::string> write_pages(std::uint64_t count, std::uint64_t too_far) {
    std::vector<Spawned<void>> writes;
    for (std::uint64_t i = 0; i < count; ++i) {
      writes.push_back(spawn(io::write_at(book_, i, std::string(1, static_cast<char>('a' + i)))));
      if (i == 1) writes.push_back(spawn(io::write_at(book_, too_far, "x")));
    }
    std::string outcome;
    for (const Spawned<void>& one : writes) try {
        co_await one;
        outcome += '+';
      } catch (const std::filesystem::filesystem_error&) {
        outcome += '-';
      }
    co_return outcome;
  }
  Task<> clear_shelf() {
    shelf_.clear();
    co_return;
  }
  Task<std::string> notes() const { co_return notes_; }
  EPIC_ENTITY(Archivist, state(lines_, notes_),
              methods(open_book, close_book, drop_book, write, write_at, read, read_at, read_line, count_lines, size,
                      sync, note_line, note_much, lines, write_in_file, whole, spawn_all, write_three, read_twice,
                      open_many, write_now, append_now, read_now, sync_now, note_now, write_pages, clear_shelf, notes))
};

const ModuleInfo& archivists() {
  static const EntityInfoFn entities[] = {&Archivist::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct OpenFileFixture {
  explicit OpenFileFixture(test::SimOptions options = {.seed = 3}) : fabric(options, archivists(), codec) {
    fabric.run_for(100ms);
    for (int i = 0; fabric.owner_of(archivist.name()) != 1; ++i) archivist = Ref<Archivist>(i);
  }
  kernel::OpenFiles& open_files() { return fabric.kernel(1).blocking().open_files(); }
  std::string content(const std::string& path) { return fabric.files().find(path).value_or("none"); }
  bool has_logged(const std::string& text) {
    return std::ranges::any_of(fabric.log(), [&](const test::LogLine& line) { return line.message.contains(text); });
  }

  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Archivist> archivist{"a"};
};

}  // namespace

TEST_CASE("open file: it is written, read, measured and closed", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("books/1", "write"));
  f.fabric.call(1, f.archivist->write("one\ntwo\n"));
  CHECK(f.fabric.call(1, f.archivist->size()) == 8);
  CHECK(f.fabric.call(1, f.archivist->read(10)).empty());  // it goes on where the write has ended
  CHECK(f.fabric.call(1, f.archivist->read_at(4, 3)) == "two");
  f.fabric.call(1, f.archivist->write_at(10, "three"));
  f.fabric.call(1, f.archivist->close_book());
  CHECK(f.content("books/1") == std::string("one\ntwo\n\0\0three", 15));
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->read(1)),
                    Catch::Contains("this File is closed, or was never opened"));

  f.fabric.call(1, f.archivist->open_book("books/1", "read"));
  CHECK(f.fabric.call(1, f.archivist->read_line()) == "one");
  CHECK(f.fabric.call(1, f.archivist->read_line()) == "two");
  CHECK(f.fabric.call(1, f.archivist->read(2)) == std::string(2, '\0'));
  CHECK(f.fabric.call(1, f.archivist->read_line()) == "three");
  CHECK_FALSE(f.fabric.call(1, f.archivist->read_line()));
  f.fabric.call(1, f.archivist->drop_book());
  f.fabric.run_for(100ms);
  CHECK(f.open_files().count == 0);
  CHECK(f.open_files().bytes_buffered == 0);
  CHECK(f.fabric.kernel(1).stats().blocking == 0);
}

TEST_CASE("open file: a mode says what is made, emptied and allowed", "[kernel]") {
  OpenFileFixture f;
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->open_book("gone", "read")),
                    Catch::Contains("cannot open file") && Catch::Contains("No such file"));
  CHECK_THROWS_AS(f.fabric.call(1, f.archivist->open_book("../secret", "read")), std::invalid_argument);
  CHECK(f.open_files().count == 0);
  f.fabric.files().put("book", "old");

  f.fabric.call(1, f.archivist->open_book("book", "read"));
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->write("x")), Catch::Contains("book was opened to be read"));
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->write_at(0, "x")), Catch::Contains("to be written at its end"));
  f.fabric.call(1, f.archivist->write("er"));
  CHECK(f.fabric.call(1, f.archivist->size()) == 5);
  CHECK(f.fabric.call(1, f.archivist->read(9)) == "older");  // reads have a place of their own
  f.fabric.call(1, f.archivist->open_book("book", "update"));
  f.fabric.call(1, f.archivist->write("b"));
  CHECK(f.fabric.call(1, f.archivist->read(9)) == "lder");
  f.fabric.call(1, f.archivist->open_book("book", "write"));
  CHECK(f.fabric.call(1, f.archivist->size()) == 0);
  CHECK_THROWS_AS(f.fabric.call(1, f.archivist->read(kernel::limits::kFileBytesMax + 1)), std::length_error);
}

TEST_CASE("open file: what is asked at once happens in the order in which it was asked", "[kernel]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    OpenFileFixture f({.seed = seed});
    CHECK(f.fabric.call(1, f.archivist->spawn_all("book", 9)) == "123456789");
    CHECK(f.content("book") == "123456789");
  }
}

TEST_CASE("open file: a write that is cancelled makes way, and the others keep their order", "[kernel]") {
  const bool must_cancel = GENERATE(false, true);
  CAPTURE(must_cancel);
  OpenFileFixture f;
  constexpr std::uint64_t kBytes = kernel::limits::kFileBytesUnwritten / 2 + 1;
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.hold_commits(true);
  const auto ended = f.fabric.start_call<void>(1, f.archivist->write_three(kBytes, must_cancel), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*ended);
  CHECK(f.content("book").empty());
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *ended; }));
  f.fabric.call(1, f.archivist->close_book());
  CHECK(f.content("book") == std::string(kBytes, 'a') + (must_cancel ? "" : std::string(kBytes, 'b')) + "c");
}

TEST_CASE("open file: a read that is cancelled has read nothing", "[kernel]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    OpenFileFixture f({.seed = seed, .blocking_delay_max = 1s});
    f.fabric.files().put("book", "onetwo");
    f.fabric.call(1, f.archivist->open_book("book", "read"));
    CHECK(f.fabric.call(1, f.archivist->read_twice()) == "onet");
  }
}

TEST_CASE("open file: it does not change before what a write follows is durable, and the writer need not wait",
          "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.call(1, f.archivist->note_line());
  f.fabric.call(1, f.archivist->sync());
  f.fabric.hold_commits(true);
  const auto noted = f.fabric.start_call<std::int64_t>(1, f.archivist->note_line(), {});
  const auto measured = f.fabric.start_call<std::uint64_t>(1, f.archivist->size(), {});
  f.fabric.run_for(200ms);
  CHECK(f.content("book") == "1\n");
  CHECK(f.fabric.kernel(1).blocking().has_unwritten());
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *noted && *measured; }));
  CHECK(f.content("book") == "1\n2\n");
}

TEST_CASE("open file: a write that follows no change waits for no commit", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  f.fabric.call(1, f.archivist->write("x"));
  f.fabric.run_for(200ms);
  CHECK(f.content("book") == "x");
}

TEST_CASE("open file: what follows a change that is refused is never written, and the rest is", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.call(1, f.archivist->note_line());
  CHECK_THROWS_AS(f.fabric.call(1, f.archivist->note_much(9u << 20)), StateTooLarge);
  f.fabric.run_for(100ms);
  CHECK(f.content("book") == "1\n");
  CHECK(f.has_logged("does not have all of that"));
  CHECK(f.open_files().count == 0);  // the entity's instance is gone, and its File with it
  CHECK(f.fabric.call(1, f.archivist->lines()) == 1);
}

TEST_CASE("open file: whenever its node dies, no file is ahead of the state", "[kernel]") {
  std::size_t unfinished = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    OpenFileFixture f({.seed = seed});
    f.fabric.call(1, f.archivist->open_book("book", "append"));
    for (int i = 0; i < 5; ++i) {
      f.fabric.start_call<std::int64_t>(1, f.archivist->note_line(), {});
      f.fabric.run_for(std::chrono::microseconds(37 * seed));
    }
    f.fabric.kill(1);
    f.fabric.run_for(1s);
    const std::int64_t lines = f.fabric.call(2, f.archivist->lines());
    const std::string book = f.content("book");
    for (std::int64_t line = lines + 1; line <= 5; ++line) CHECK_FALSE(book.contains(std::to_string(line)));
    CHECK(std::string("1\n2\n3\n4\n5\n").starts_with(book));
    unfinished += std::ranges::count(book, '\n') < 5 ? 1 : 0;
  }
  CHECK(unfinished > 0);
}

TEST_CASE("open file: a write that has failed is reported by the next operation, once, and those behind it are dropped",
          "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "update"));
  f.fabric.call(1, f.archivist->write_at(0, "one"));
  f.fabric.call(1, f.archivist->sync());
  f.fabric.call(1, f.archivist->write_at(kTooFar, "x"));
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->sync()),
                    Catch::Contains("cannot write file") && Catch::Contains("book"));
  f.fabric.call(1, f.archivist->write_at(3, "two"));
  f.fabric.call(1, f.archivist->sync());
  CHECK(f.content("book") == "onetwo");

  f.fabric.hold_commits(true);  // all of these wait together
  f.fabric.start_call<std::int64_t>(1, f.archivist->note_line(), {});
  f.fabric.start_call<void>(1, f.archivist->write_at(kTooFar, "x"), {});
  f.fabric.start_call<void>(1, f.archivist->write_at(0, "lost"), {});
  f.fabric.run_for(10ms);
  f.fabric.hold_commits(false);
  f.fabric.run_for(100ms);
  CHECK(f.content("book") == "1\netwo");
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->size()), Catch::Contains("cannot write file"));
  CHECK(f.fabric.call(1, f.archivist->size()) == 6);
  CHECK_FALSE(f.has_logged("does not have all of that"));
}

TEST_CASE("open file: an error that nobody has heard of is logged when the file goes", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "update"));
  f.fabric.call(1, f.archivist->write_at(kTooFar, "x"));
  f.fabric.call(1, f.archivist->drop_book());
  f.fabric.run_for(100ms);
  CHECK(f.has_logged("the file book, which " + std::string(f.archivist.name()) +
                     " has written to, does not have all of that: filesystem error: cannot write file"));
  CHECK(f.open_files().count == 0);
}

TEST_CASE("io: a request is done when it returns, and neither uses nor moves the place", "[kernel]") {
  OpenFileFixture f;
  f.fabric.files().put("book", "0123456789");
  f.fabric.call(1, f.archivist->open_book("book", "update"));
  CHECK(f.fabric.call(1, f.archivist->read(2)) == "01");
  CHECK(f.fabric.call(1, f.archivist->read(2)) == "23");  // more has been read ahead
  f.fabric.call(1, f.archivist->write_now(5, "abcdefgh"));
  CHECK(f.content("book") == "01234abcdefgh");
  CHECK(f.fabric.call(1, f.archivist->read(3)) == "4ab");
  CHECK(f.fabric.call(1, f.archivist->read_now(11, 10)) == "gh");
  CHECK(f.fabric.call(1, f.archivist->read(1)) == "c");
  f.fabric.call(1, f.archivist->sync_now());
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->append_now("x")), Catch::Contains("use io::write_at"));
  CHECK_THROWS_AS(f.fabric.call(1, f.archivist->read_now(0, kernel::limits::kFileBytesMax + 1)), std::length_error);

  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.call(1, f.archivist->append_now("!"));
  CHECK(f.content("book") == "01234abcdefgh!");
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->write_now(0, "x")), Catch::Contains("to be written at its end"));
  f.fabric.call(1, f.archivist->open_book("book", "read"));
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->write_now(0, "x")), Catch::Contains("was opened to be read"));
  f.fabric.call(1, f.archivist->close_book());
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->read_now(0, 1)), Catch::Contains("this File is closed"));
  f.fabric.run_for(100ms);
  CHECK(f.open_files().count == 0);
  CHECK(f.open_files().bytes_buffered == 0);
  CHECK(f.fabric.kernel(1).stats().blocking == 0);
}

TEST_CASE("io: an error is that of its own request, and those behind it go on", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "update"));
  CHECK(f.fabric.call(1, f.archivist->write_pages(5, kTooFar)) == "++-+++");
  CHECK(f.content("book") == "abcde");
  CHECK(f.fabric.call(1, f.archivist->size()) == 5);  // no operation of the File throws it

  f.fabric.hold_commits(true);  // the other way round: a failed write() drops no request of io
  f.fabric.start_call<std::int64_t>(1, f.archivist->note_line(), {});
  f.fabric.start_call<void>(1, f.archivist->write_at(kTooFar, "x"), {});
  const auto written = f.fabric.start_call<void>(1, f.archivist->write_now(4, "!"), {});
  f.fabric.run_for(10ms);
  CHECK_FALSE(*written);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *written; }));
  CHECK(f.content("book") == "1\ncd!");
  CHECK_THROWS_WITH(f.fabric.call(1, f.archivist->size()), Catch::Contains("cannot write file"));
}

TEST_CASE("io: a file does not change before what a request follows is durable", "[kernel]") {
  OpenFileFixture f;
  f.fabric.call(1, f.archivist->open_book("book", "append"));
  f.fabric.hold_commits(true);
  const auto noted = f.fabric.start_call<void>(1, f.archivist->note_now("new"), {});
  f.fabric.run_for(200ms);
  CHECK_FALSE(*noted);
  CHECK(f.content("book").empty());
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *noted; }));
  CHECK(f.content("book") == "new");
}

TEST_CASE("open file: its entity does not move before what was taken is written", "[kernel]") {
  OpenFileFixture f({.seed = 3, .blocking_delay_max = 1s});
  f.fabric.call(1, f.archivist->lines());
  f.fabric.call(1, f.archivist->write_in_file("log", "one"));
  CHECK(f.content("log").empty());  // it is on its way
  f.fabric.move_shard(kernel::ungrouped(16).shard_of("Archivist", f.archivist.key()), 2);
  CHECK(f.fabric.run_until([&] { return f.fabric.owner_of(f.archivist.name()) == 2; }));
  CHECK(f.content("log") == "one");
  f.fabric.call(2, f.archivist->write_in_file("log", "two"));
  CHECK(f.fabric.call(2, f.archivist->whole("log")) == "onetwo");
}

TEST_CASE("open file: a node that stops writes what it has taken", "[kernel]") {
  OpenFileFixture f({.seed = 3, .blocking_delay_max = 1s});
  f.fabric.call(1, f.archivist->write_in_file("log", "one"));
  CHECK(f.content("log").empty());
  CHECK(f.fabric.stop(1, 10s));
  CHECK(f.content("log") == "one");
}

TEST_CASE("open file: a node has so many open, and one that is closed makes room", "[kernel]") {
  OpenFileFixture f;
  constexpr auto kMax = static_cast<std::int64_t>(kernel::limits::kFilesOpenMax);
  CHECK(f.fabric.call(1, f.archivist->open_many(kMax + 1)) == kMax);
  CHECK_THAT(f.fabric.call(1, f.archivist->notes()),
             Catch::Contains("shelf/256 was not opened: 256 files are open on this node"));
  f.fabric.call(1, f.archivist->clear_shelf());
  f.fabric.run_for(100ms);
  CHECK(f.open_files().count == 0);
  CHECK(f.fabric.call(1, f.archivist->open_many(3)) == 3);
}

TEST_CASE("open file: it stays the same file when another takes its place", "[kernel]") {
  OpenFileFixture f;
  f.fabric.files().put("book", "old");
  f.fabric.call(1, f.archivist->open_book("book", "read"));
  f.fabric.files().put("book", "new");
  CHECK(f.fabric.call(1, f.archivist->read(9)) == "old");
}

TEST_CASE("open file: what grows is read as it is, wherever its end was before", "[kernel]") {
  OpenFileFixture f;
  const Ref<Archivist> other("somewhere else");
  f.fabric.files().put("log", "one\n");
  f.fabric.call(1, f.archivist->open_book("log", "read"));
  CHECK(f.fabric.call(1, f.archivist->read_line()) == "one");
  CHECK_FALSE(f.fabric.call(1, f.archivist->read_line()));
  std::string all;
  for (int i = 0; i < 50; ++i) {
    f.fabric.call(1, other->write_in_file("log", std::string(100, 'x') + std::to_string(i) + "\n"));
    f.fabric.run_for(100ms);
    CHECK(f.fabric.call(1, f.archivist->read_line()) == std::string(100, 'x') + std::to_string(i));
    if (i % 3 == 0) CHECK_FALSE(f.fabric.call(1, f.archivist->read_line()));
  }
}

TEST_CASE("open file: an entity that reads on and on lets others have their turns", "[kernel]") {
  OpenFileFixture f;
  constexpr std::uint64_t kLines = 10'000;
  f.fabric.files().put("log", std::string(kLines, '\n'));
  f.fabric.call(1, f.archivist->open_book("log", "read"));
  const std::uint64_t before = f.fabric.kernel(1).turns_count();
  CHECK(f.fabric.call(1, f.archivist->count_lines()) == kLines);
  CHECK(f.fabric.kernel(1).turns_count() - before > kLines / kernel::limits::kFileDirectMax);
}
