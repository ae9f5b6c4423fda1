#include "kernel/calls/file_lines.hpp"

#include <catch2/catch.hpp>

using epic::detail::FileAction;
using epic::detail::FileWork;
using epic::kernel::FileLines;
using Work = FileLines::Work;

namespace {

struct FileLinesFixture {
  FileLines lines;

  Work join(FileAction action, const std::string& path = "log", const std::string& entity = "Scribe/a") {
    auto work = std::make_shared<FileWork>(action, path, "x");
    work->entity = entity;
    lines.join(work);
    return work;
  }
};

const std::vector<Work> kNothing;

}  // namespace

TEST_CASE("file lines: a change waits for those before it, also if it is ready first", "[kernel]") {
  FileLinesFixture f;
  const Work first = f.join(FileAction::write);
  const Work second = f.join(FileAction::append);
  const Work third = f.join(FileAction::remove);
  CHECK(f.lines.on_ready(*third) == kNothing);
  CHECK(f.lines.on_ready(*second) == kNothing);
  CHECK(f.lines.on_ready(*first) == std::vector{first});
  CHECK(f.lines.leave(*first) == std::vector{second});
  CHECK(f.lines.state_of(*first) == FileLines::State::absent);
  CHECK(f.lines.state_of(*second) == FileLines::State::begun);
  CHECK(f.lines.state_of(*third) == FileLines::State::ready);
  CHECK(f.lines.leave(*second) == std::vector{third});
  CHECK(f.lines.leave(*third) == kNothing);
  CHECK(f.lines.leave(*third) == kNothing);
}

TEST_CASE("file lines: reads run beside reads, see the changes before them, and hold up those after them", "[kernel]") {
  FileLinesFixture f;
  const Work one = f.join(FileAction::read);
  const Work other = f.join(FileAction::read);
  const Work write = f.join(FileAction::write);
  const Work late = f.join(FileAction::read);
  CHECK(f.lines.on_ready(*other) == std::vector{other});
  CHECK(f.lines.on_ready(*late) == kNothing);
  CHECK(f.lines.on_ready(*write) == kNothing);
  CHECK(f.lines.on_ready(*one) == std::vector{one});
  CHECK(f.lines.leave(*one) == kNothing);
  CHECK(f.lines.leave(*other) == std::vector{write});
  CHECK(f.lines.leave(*write) == std::vector{late});
}

TEST_CASE("file lines: a request that never begins makes way for those behind it", "[kernel]") {
  FileLinesFixture f;
  const Work first = f.join(FileAction::write);
  const Work second = f.join(FileAction::write);
  const Work third = f.join(FileAction::write);
  CHECK(f.lines.on_ready(*third) == kNothing);
  CHECK(f.lines.leave(*second) == kNothing);
  CHECK(f.lines.leave(*first) == std::vector{third});
}

TEST_CASE("file lines: other entities and other files have lines of their own", "[kernel]") {
  FileLinesFixture f;
  const Work first = f.join(FileAction::write);
  for (const Work& other : {f.join(FileAction::write, "log", "Scribe/b"), f.join(FileAction::write, "new")})
    CHECK(f.lines.on_ready(*other) == std::vector{other});
  CHECK(f.lines.state_of(*first) == FileLines::State::made);
}
