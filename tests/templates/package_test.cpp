// The installed package, used without the `epic` command, by a plain CMake project.
#include <catch2/catch.hpp>
#include <filesystem>

#include "templates/project.hpp"

using Catch::Matchers::Contains;
using epic::templates_test::Project;
namespace fs = std::filesystem;

namespace {

const std::string kBegin =
    "cmake_minimum_required(VERSION 3.25)\nproject(package CXX)\nfind_package(epic CONFIG REQUIRED)\n";
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
    fs::remove(odd / "tests/counter_scenario.cpp");  // one file of tests is enough
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
  CHECK_THAT(configure("epic_add_client(NAME c SOURCES src/*.cpp)"), Contains("there is no module yet"));
  CHECK_THAT(configure("epic_add_client(NAME c MODULE arena SOURCES src/*.cpp)"),
             Contains("MODULE arena is not known"));
  const std::string two = "epic_add_module(NAME a SOURCES src/*.cpp)\nepic_add_module(NAME b SOURCES src/*.cpp)\n";
  CHECK_THAT(configure(two + "epic_add_client(NAME c SOURCES src/*.cpp)"),
             Contains("MODULE is missing") && Contains("has several"));
  CHECK_THAT(configure(two + "epic_add_client(NAME c MODULE b SOURCES clients/*.cpp)"),
             Contains("no file matches 'clients/*.cpp'"));
}

TEST_CASE("package: epic build builds a client, which shares the module's headers and calls its entities",
          "[templates]") {
  const Project project("package_client", {"--template", "hello"});
  const std::string broken = "#error the client is compiled\n";
  project.write("clients/visitors.cpp", broken);
  project.write("CMakeLists.txt", kBegin + R"(epic_add_module(NAME package_client SOURCES src/*.cpp)
epic_add_client(NAME visitors SOURCES clients/*.cpp)
)");
  const auto failed = project.run("epic", {"build"});
  CHECK(failed.exit_code == 5);
  CHECK_THAT(failed.err,
             Contains("the clients of package_client could not be built") && Contains("the client is compiled"));
  project.must_run("epic", {"run", "--detach"});  // the module is there all the same

  project.write("clients/visitors.cpp", R"(#include <epic/client.hpp>
#include <iostream>
#include "counter.hpp"
int main(int, char** arguments) {
  const epic::Client client = epic::Client::connect(arguments[1]);
  std::cout << client.call(client.get<Counter>("visits")->add(2)) << "\n";
}
)");
  const auto built = project.must_run("epic", {"build"});
  CHECK_THAT(built.err, Contains("Built build/modules/package_client.so and build/clients/visitors in "));
  CHECK(project.must_run("build/clients/visitors", {"."}).out == "2\n");
  CHECK(project.must_run("build/clients/visitors", {"."}).out == "4\n");
}

TEST_CASE("package: what is linked to a module reaches its classes, tests and clients", "[templates]") {
  const Project project("package_libraries", {"--bare"});
  project.write("prices/prices.hpp", "#pragma once\nint price_of(int count);\n");
  project.write("prices/prices.cpp", "int price_of(int count) { return 3 * count; }\n");
  project.write("src/shop.hpp", R"(#pragma once
#include <epic/epic.hpp>
class Shop : public epic::Entity {
 public:
  epic::Task<int> ask(int count) const;
  EPIC_ENTITY(Shop, methods(ask))
};
)");
  project.write("src/module.cpp", R"(#include "shop.hpp"
#include <prices.hpp>
epic::Task<int> Shop::ask(int count) const { co_return price_of(count) + DISCOUNT; }
EPIC_MODULE(epic::no_setup, Shop)
)");
  project.write("tests/shop_test.cpp", R"(#include "shop.hpp"
#include <catch2/catch.hpp>
#include <epic/script.hpp>
#include <prices.hpp>
TEST_CASE("shop") {
  CHECK(epic::testing::Script<Shop>("a").call<&Shop::ask>(2).result() == price_of(2) + DISCOUNT);
}
)");
  project.write("clients/ask.cpp", R"(#include <iostream>
#include <prices.hpp>
#include "shop.hpp"
int main() { std::cout << price_of(4) << "\n"; }
)");
  project.write("CMakeLists.txt", kBegin + R"(enable_testing()
add_library(prices STATIC prices/prices.cpp)
target_include_directories(prices PUBLIC prices)
epic_add_module(NAME package_libraries SOURCES src/*.cpp)
epic_add_tests(NAME shop_tests MODULE package_libraries SOURCES tests/*.cpp)
epic_add_client(NAME ask SOURCES clients/*.cpp MODULE package_libraries)
target_link_libraries(package_libraries PRIVATE prices)
target_compile_definitions(package_libraries PRIVATE DISCOUNT=-1)
)");
  project.must_run("epic", {"build"});
  CHECK(project.must_run("build/clients/ask", {}).out == "12\n");
  CHECK_THAT(project.must_run("epic", {"test"}).err, Contains("1 test passed"));
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Shop/corner", "ask", "5"}).out == "14\n");
}

TEST_CASE("package: of several modules, the nodes load the one that epic.toml names", "[templates]") {
  const Project project("package_several", {"--bare"});
  for (const char* name : {"lobby", "arena"}) {
    const std::string type = name == std::string_view("lobby") ? "Room" : "Match";
    project.write(std::string(name) + "/module.cpp", "#include <epic/epic.hpp>\nclass " + type +
                                                         " : public epic::Entity {\n public:\n"
                                                         "  epic::Task<int> get() const { co_return 7; }\n"
                                                         "  EPIC_ENTITY(" +
                                                         type + ", methods(get))\n};\nEPIC_MODULE(epic::no_setup, " +
                                                         type + ")\n");
  }
  project.write("CMakeLists.txt", kBegin + R"(epic_add_module(NAME lobby SOURCES lobby/*.cpp)
epic_add_module(NAME arena SOURCES arena/*.cpp)
)");
  const auto unnamed = project.run("epic", {"run", "--exit-after-setup"});
  CHECK(unnamed.exit_code == 5);
  CHECK_THAT(unnamed.err, Contains("nodes are to load the module \"package_several\"") &&
                              Contains("CMakeLists.txt builds lobby and arena") && Contains("load = \"lobby\""));

  project.write("epic.toml", "[project]\nname = \"package_several\"\n[modules]\nload = \"arena\"\n");
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Match/final", "get"}).out == "7\n");
  CHECK(project.run("epic", {"call", "Room/hall", "get"}).exit_code == 3);
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
