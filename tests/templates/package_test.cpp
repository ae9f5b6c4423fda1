// The installed package, used without the `epic` command, by a plain CMake project.
#include <catch2/catch.hpp>
#include <filesystem>

#include "templates/project.hpp"

using Catch::Matchers::Contains;
using epic::templates_test::Project;
namespace fs = std::filesystem;

namespace {

const std::string kPackage = std::string("-Depic_DIR=") + EPIC_TEST_PACKAGE_DIR;

}  // namespace

TEST_CASE("package: a project builds with CMake alone", "[templates]") {
  const Project project("package_plain", {"--template", "hello"});

  project.must_run("cmake", {"-S", ".", "-B", "plain", "-DCMAKE_CXX_COMPILER=clang++-19", kPackage});
  project.must_run("cmake", {"--build", "plain"});
  CHECK(fs::exists(project.directory() / "plain/modules/package_plain.so"));
}

TEST_CASE("package: a project builds and runs in a directory of any name", "[templates]") {
  const Project project("package_any_name", {"--template", "hello"});
  for (const std::string name : {"a;[b]\\ \"${X}|?*`\nc", "-C#(1)%20'&!<>{}^:\t\xff\u20ac"}) {
    INFO(name);
    const fs::path odd = project.directory() / name;
    fs::create_directories(odd);
    for (const char* part : {"src", "tests", "CMakeLists.txt", "epic.toml"})
      fs::copy(project.directory() / part, odd / part, fs::copy_options::recursive);
    project.must_run("epic", {"-C", odd.string(), "run", "--exit-after-setup"});
    project.must_run("epic", {"-C", odd.string(), "test"});

    project.write(odd / "src/broken.cpp", "int x = nonsense;\n");
    const auto answer = project.run("epic", {"-C", odd.string(), "build"});
    CHECK(answer.exit_code == 5);
    CHECK_THAT(answer.err, Contains("nonsense") && Contains("src/broken.cpp") && !Contains("/tmp/epic-build-"));
  }
}

TEST_CASE("package: a new source is picked up by the next build", "[templates]") {
  const Project project("package_glob", {"--bare"});
  project.must_run("cmake", {"-S", ".", "-B", "plain", "-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++-19", kPackage});
  project.must_run("cmake", {"--build", "plain"});

  project.write("src/added.cpp", "#error added is compiled\n");
  const auto answer = project.run("cmake", {"--build", "plain"});
  CHECK(answer.exit_code != 0);
  CHECK_THAT(answer.out + answer.err, Contains("added is compiled"));
}

TEST_CASE("package: g++ is refused with the reason", "[templates]") {
  const Project project("package_gcc", {"--bare"});
  if (project.run("sh", {"-c", "command -v g++"}).exit_code != 0) return;  // no g++ to refuse

  const auto answer = project.run("cmake", {"-S", ".", "-B", "gcc", "-DCMAKE_CXX_COMPILER=g++", kPackage});
  CHECK(answer.exit_code != 0);
  CHECK_THAT(answer.err, Contains("needs clang 19 or newer, and found GNU"));
  CHECK_THAT(answer.err, Contains("-DCMAKE_CXX_COMPILER=clang++-19"));
}

TEST_CASE("package: wrong use of epic_add_module is answered in its own words", "[templates]") {
  const Project project("package_misuse", {"--bare"});
  const auto configure = [&](const std::string& line) {
    project.write("CMakeLists.txt",
                  "cmake_minimum_required(VERSION 3.25)\nproject(misuse CXX)\nfind_package(epic CONFIG REQUIRED)\n" +
                      line + "\n");
    return project.run("cmake", {"-S", ".", "-B", "misuse", "-DCMAKE_CXX_COMPILER=clang++-19", kPackage}).err;
  };

  CHECK_THAT(configure("epic_add_module(SOURCES src/*.cpp)"), Contains("NAME is missing"));
  CHECK_THAT(configure("epic_add_module(NAME arena)"), Contains("SOURCES is missing"));
  CHECK_THAT(configure("epic_add_module(NAME arena SOURCES scr/*.cpp)"), Contains("no file matches 'scr/*.cpp'"));
  CHECK_THAT(configure("epic_add_module(arena src/a.cpp)"), Contains("is not understood"));
  CHECK_THAT(configure("epic_add_tests(NAME t MODULE arena SOURCES t.cpp)"), Contains("MODULE arena is not known"));
}

TEST_CASE("package: a program outside of any module links epic::runtime", "[templates]") {
  const Project project("package_runtime", {"--bare"});
  project.write("CMakeLists.txt", R"(cmake_minimum_required(VERSION 3.25)
project(tool CXX)
find_package(epic CONFIG REQUIRED)
add_executable(tool tool.cpp)
target_link_libraries(tool PRIVATE epic::runtime epic::cluster)
)");
  project.write("tool.cpp", R"(#include <epic/epic.hpp>
#include <iostream>
int main() { std::cout << epic::to_string(epic::ErrorCode::timeout) << "\n"; }
)");

  project.must_run("cmake", {"-S", ".", "-B", "tool", "-DCMAKE_CXX_COMPILER=clang++-19", kPackage});
  project.must_run("cmake", {"--build", "tool"});
  CHECK(project.must_run("tool/tool", {}).out == "timeout\n");
}
