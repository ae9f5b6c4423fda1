// A shared library without EPIC_MODULE.

extern "C" int answer() { return 42; }
