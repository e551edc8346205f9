// write_help_pages FILE: writes the source of help_pages(), from the command line as its commands define it.

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "command_line.h"

namespace {

using Command = std::vector<std::string>;

/// The words of every command below `app`, itself first.
void add_commands(const CLI::App& app, const Command& words, std::vector<Command>& commands) {
  commands.push_back(words);
  for (const auto* child : app.get_subcommands({})) {
    Command below = words;
    below.push_back(child->get_name());
    add_commands(*child, below, commands);
  }
}

std::string page_of(const Command& command) {
  rcnn::tools::CommandLine line;
  std::vector<std::string> words(command.rbegin(), command.rend());  // as parse() takes them, the last first
  words.insert(words.begin(), "--help");
  std::ostringstream page;
  try {
    line.app.parse(words);
  } catch (const CLI::Success& success) {
    line.app.exit(success, page);
  }
  return page.str();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::vector<Command> commands;
  add_commands(rcnn::tools::CommandLine().app, {}, commands);
  std::ofstream file(argv[1]);
  file << "#include \"help_pages.h\"\n\nnamespace rcnn::tools {\nnamespace {\n\n";
  for (size_t i = 1; i < commands.size(); ++i) {
    file << "constexpr std::string_view kCommand" << i << "[] = {";
    for (const auto& word : commands[i]) file << '"' << word << "\", ";
    file << "};\n";
  }
  file << "\nconstexpr HelpPage kPages[] = {\n";
  for (size_t i = 0; i < commands.size(); ++i) {
    file << "    {" << (i == 0 ? "{}" : "kCommand" + std::to_string(i)) << ", R\"page("
         << page_of(commands[i]) << ")page\"},\n";
  }
  file << "};\n\n}  // namespace\n\n"
       << "std::span<const HelpPage> help_pages() { return kPages; }\n\n}  // namespace rcnn::tools\n";
  return file.flush() ? 0 : 1;
}
