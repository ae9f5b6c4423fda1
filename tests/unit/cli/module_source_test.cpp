#include "cli/project/module_source.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;

namespace {

/// What becomes of a source when Barrel is added to its module.
std::string with_barrel(std::string_view source) {
  auto changed = add_to_module(source, "Barrel", "barrel.hpp");
  return changed ? *changed : "refused: " + changed.error();
}

const std::string kInclude = "#include <epic/epic.hpp>\n";
const std::string kWithBarrel = "#include <epic/epic.hpp>\n\n#include \"barrel.hpp\"\n";

}  // namespace

TEST_CASE("module source: a class is added to an empty list, a short and a long one", "[cli]") {
  CHECK(with_barrel(kInclude + "\nEPIC_MODULE(epic::no_setup)\n") ==
        kWithBarrel + "\nEPIC_MODULE(epic::no_setup, Barrel)\n");
  CHECK(with_barrel(kInclude + "EPIC_MODULE ( setup , a::Match )") ==
        kWithBarrel + "EPIC_MODULE ( setup , a::Match, Barrel )");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, Match,)") == kWithBarrel + "EPIC_MODULE(setup, Match, Barrel)");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, Match,\n            Room, Player)\n") ==
        kWithBarrel + "EPIC_MODULE(setup, Match,\n            Room, Player, Barrel)\n");
}

TEST_CASE("module source: a list with a class on each line stays one, comments and line ends included", "[cli]") {
  CHECK(with_barrel(kInclude + "EPIC_MODULE(\n    setup,\n    Match,  // a (\n    Player  // the last, \"so\n)\n") ==
        kWithBarrel + "EPIC_MODULE(\n    setup,\n    Match,  // a (\n    Player,  // the last, \"so\n    Barrel\n)\n");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(\n    setup,\n    Match /* ) */)\n") ==
        kWithBarrel + "EPIC_MODULE(\n    setup,\n    Match,\n    Barrel /* ) */)\n");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(\n\tsetup,\n\tMatch,\n)\n") ==
        kWithBarrel + "EPIC_MODULE(\n\tsetup,\n\tMatch,\n\tBarrel\n)\n");
  CHECK(with_barrel("#include \"a.hpp\"\r\nEPIC_MODULE(\r\n  setup,\r\n  Match\r\n)\r\n") ==
        "#include \"a.hpp\"\r\n#include \"barrel.hpp\"\r\nEPIC_MODULE(\r\n  setup,\r\n  Match,\r\n  Barrel\r\n)\r\n");
}

TEST_CASE("module source: the header goes among the file's own, in their order, and only once", "[cli]") {
  const std::string end = "EPIC_MODULE(setup, Match)\n";
  const std::string changed_end = "EPIC_MODULE(setup, Match, Barrel)\n";
  CHECK(with_barrel("#include \"account.hpp\"\n#include \"match.hpp\"\n" + end) ==
        "#include \"account.hpp\"\n#include \"barrel.hpp\"\n#include \"match.hpp\"\n" + changed_end);
  CHECK(with_barrel("#include \"z.hpp\"\n#include \"a.hpp\"\n\n" + end) ==
        "#include \"z.hpp\"\n#include \"a.hpp\"\n#include \"barrel.hpp\"\n\n" + changed_end);
  CHECK(with_barrel("#include \"barrel.hpp\"\n#include <a>\n" + end) ==
        "#include \"barrel.hpp\"\n#include <a>\n" + changed_end);
  // Neither a header that may be left out nor one in a comment is a place for it.
  CHECK(with_barrel(kInclude + "#if A\n#include \"a.hpp\"\n#endif\n// #include \"b.hpp\"\n" + end) ==
        kWithBarrel + "#if A\n#include \"a.hpp\"\n#endif\n// #include \"b.hpp\"\n" + changed_end);
  // Nor is one whose declarations are in a scope.
  const std::string in_scope =
      "#ifdef __cplusplus\nextern \"C\" {\n#endif\n#include \"c.h\"\n#ifdef __cplusplus\n}\n#endif\n";
  CHECK(with_barrel(kInclude + in_scope + end) == kWithBarrel + in_scope + changed_end);
  CHECK(with_barrel(in_scope + "#include \"z.hpp\"\n" + end) ==
        in_scope + "#include \"barrel.hpp\"\n#include \"z.hpp\"\n" + changed_end);
}

TEST_CASE("module source: what only looks like EPIC_MODULE is not it", "[cli]") {
  const std::string noise =
      "// EPIC_MODULE(setup, A)\n/* EPIC_MODULE(setup, B) */\n"
      "const char* a = \"\\\" EPIC_MODULE(setup, C)\";\n"
      "const char* b = R\"x(EPIC_MODULE(setup, D) \")x\";\n"
      "int c = 1'000; char d = '\"'; // EPIC_MODULE \\\n EPIC_MODULE(setup, E)\n"
      "#define ALL EPIC_MODULE(setup, \\\n  EPIC_MODULE)\nint EPIC_MODULE_2, MY_EPIC_MODULE;\n";
  CHECK(with_barrel(kInclude + noise + "EPIC_MODULE(setup)\n") == kWithBarrel + noise + "EPIC_MODULE(setup, Barrel)\n");
  CHECK(find_module_lines(noise).empty());
  CHECK(find_module_lines(noise + "EPIC_MODULE(setup)\n\nEPIC_MODULE(setup)") == std::vector<std::size_t>{10, 12});
}

TEST_CASE("module source: a list that may mean something else is refused", "[cli]") {
  CHECK(with_barrel(kInclude) == "refused: there is no EPIC_MODULE");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(a)\nEPIC_MODULE(b)") == "refused: there are several EPIC_MODULE");
  CHECK(with_barrel(kInclude + "#ifdef A\nEPIC_MODULE(setup)\n#endif") == "refused: EPIC_MODULE is inside #if");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup\n#ifdef A\n, Match\n#endif\n)") ==
        "refused: the list of EPIC_MODULE contains a preprocessor directive");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, \\\nMatch)") ==
        "refused: the list of EPIC_MODULE contains a backslash");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, Match") == "refused: the list of EPIC_MODULE does not end");
  CHECK(with_barrel(kInclude + "EPIC_MODULE;") == "refused: EPIC_MODULE has no list in parentheses");
  CHECK(with_barrel(kInclude + "EPIC_MODULE( /* setup */ )") == "refused: EPIC_MODULE names no setup function");
  CHECK(with_barrel("EPIC_MODULE(setup)") == "refused: nothing is included before EPIC_MODULE");
  CHECK(with_barrel(kInclude.substr(0, kInclude.size() - 1) + "  /* all of\nit */\nEPIC_MODULE(setup)\n") ==
        "refused: the layout of its #include lines is too unusual");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, arena::Barrel)") == "refused: EPIC_MODULE lists arena::Barrel");
}

TEST_CASE("module source: a class that is listed already only gets its header", "[cli]") {
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, Barrel, Match)\n") ==
        kWithBarrel + "EPIC_MODULE(setup, Barrel, Match)\n");
  CHECK(with_barrel(kInclude + "EPIC_MODULE(setup, Barrels)\n") ==
        kWithBarrel + "EPIC_MODULE(setup, Barrels, Barrel)\n");
}

TEST_CASE("module source: every source gets an answer, wherever it is cut off", "[cli]") {
  const std::string source =
      "#include \"a.hpp\"\r\n#if A\n'\\\nR\"x(\n)x\"/* */EPIC_MODULE(\n  a,\n  b // c \\\n)\n)\\";
  for (std::size_t begin = 0; begin < source.size(); ++begin)
    for (std::size_t size = 0; begin + size <= source.size(); ++size) {
      const auto part = source.substr(begin, size);
      const auto changed = add_to_module(part, "Barrel", "barrel.hpp");
      CHECK((changed ? changed->size() > part.size() : !changed.error().empty()));
    }
}

TEST_CASE("module source: a class is found where it is defined", "[cli]") {
  const std::string source =
      "// class Barrel {\nclass Barrel;\nBarrel b; class Barrels {};\nstruct Barrel\n    : Base {\n};\n";
  CHECK(find_class_line(source, "Barrel") == std::size_t{4});
  CHECK(find_class_line(source, "Barrels") == std::size_t{3});
  CHECK_FALSE(find_class_line(source, "Base"));
  CHECK_FALSE(find_class_line("enum class Barrels;", "Barrels"));
  CHECK(find_class_line("class Barrel final : public epic::Entity {};", "Barrel") == std::size_t{1});
}
