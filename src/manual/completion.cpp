#include "weir/describe/vocabulary.hpp"
#include "weir/manual/pages.hpp"

#include <algorithm>
#include <map>

namespace weir::manual {
namespace {

using Names = std::vector<std::string>;

Names split(std::string_view text, char separator) {
    Names out;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        out.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::string joined(const Names& names, const std::string& separator = " ") {
    std::string out;
    for (const auto& name : names)
        out += (out.empty() ? "" : separator) + name;
    return out;
}

// Within single quotes of all three shells.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("’") : std::string(1, c);
    return out + "'";
}

// What may be asked of `config explain` without knowing the names of a file.
Names config_paths() {
    const describe::Vocabulary vocabulary;
    Names out;
    const auto add = [&](const std::string& prefix, const std::string& block) {
        for (const auto& row : vocabulary.rows(block)) {
            const bool is_listing = row.info->type == "list" || row.info->type == "map";
            if (row.child.empty() && !(block.empty() && is_listing))
                out.push_back(prefix + std::string(row.name));
        }
    };
    add("", "");
    for (const auto& row : vocabulary.rows("")) {
        const bool is_named = row.child.ends_with("[]") || row.child.ends_with("{}");
        if (row.child.empty() || is_named || row.name == "defaults") continue;
        add(std::string(row.name) + ".", row.child);
    }
    for (const auto& row : vocabulary.rows("defaults")) {
        if (!row.child.empty()) add("defaults." + std::string(row.name) + ".", row.child);
    }
    return out;
}

// The verbs as a tree: the words after "weir", and those after "weir config".
struct Commands {
    std::map<std::string, std::vector<std::pair<std::string, std::string>>> below;  // "" first
    explicit Commands(const std::vector<Verb>& verbs) {
        for (const auto& verb : verbs) {
            const auto at = verb.name.rfind(' ');
            const auto group = at == std::string::npos ? std::string() : verb.name.substr(0, at);
            below[group].emplace_back(
                at == std::string::npos ? verb.name : verb.name.substr(at + 1), verb.description);
            if (group.empty()) continue;
            auto& top = below[""];
            const auto is_there = std::any_of(
                top.begin(), top.end(), [&](const auto& word) { return word.first == group; });
            if (!is_there) top.emplace_back(group, "see weir " + group + " --help");
        }
    }
    [[nodiscard]] Names words(const std::string& group) const {
        Names out;
        const auto found = below.find(group);
        if (found == below.end()) return out;
        for (const auto& [word, text] : found->second)
            out.push_back(word);
        return out;
    }
};

Names options_of(const Verb& verb) {
    Names out;
    for (const auto& option : verb.options) {
        if (option.is_positional) continue;
        for (auto& name : split(option.names, ','))
            out.push_back(std::move(name));
    }
    return out;
}

// The words that an argument without dashes takes.
Names arguments_of(const Verb& verb) {
    Names out;
    if (verb.name == "config explain") return config_paths();
    for (const auto& option : verb.options) {
        if (option.is_positional) out.insert(out.end(), option.words.begin(), option.words.end());
    }
    return out;
}

std::string bash(const std::vector<Verb>& verbs) {
    const Commands commands(verbs);
    std::string out = R"(# bash completion for weir: source <(weir completion bash)
_weir() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]:-} words=
    [[ $COMP_CWORD -gt 2 ]] && case $verb in
)";
    for (const auto& [group, words] : commands.below) {
        if (!group.empty()) out += "        " + group + ") verb+=\" ${COMP_WORDS[2]}\" ;;\n";
    }
    out += "    esac\n    if [[ $COMP_CWORD -eq 1 ]]; then\n        words='" +
           joined(commands.words("")) + " --help'\n    else\n        case \"$verb $prev\" in\n";
    for (const auto& verb : verbs) {
        for (const auto& option : verb.options) {
            if (option.is_positional || option.words.empty()) continue;
            for (const auto& name : split(option.names, ','))
                out += "            '" + verb.name + " " + name + "') words='" +
                       joined(option.words) + "' ;;\n";
        }
    }
    out += "            *) case $verb in\n";
    for (const auto& [group, words] : commands.below) {
        if (!group.empty())
            out += "                '" + group + "') words='" + joined(commands.words(group)) +
                   "' ;;\n";
    }
    for (const auto& verb : verbs) {
        Names words = options_of(verb);
        const Names arguments = arguments_of(verb);
        words.insert(words.end(), arguments.begin(), arguments.end());
        out += "                '" + verb.name + "') words='" + joined(words) + "' ;;\n";
    }
    return out + R"(            esac ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    [[ ${#COMPREPLY[@]} -gt 0 || $cur == -* || $COMP_CWORD -eq 1 ]] || mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _weir weir
)";
}

std::string zsh(const std::vector<Verb>& verbs) {
    const Commands commands(verbs);
    std::string out =
        "#compdef weir\n# zsh completion for weir: source <(weir completion zsh)\n"
        "_weir() {\n    local -a words_here\n    local verb=${words[2]}\n";
    const auto list = [&](const std::string& group, const std::string& indent) {
        out += indent + "words_here=(\n";
        for (const auto& [word, text] : commands.below.at(group)) {
            std::string description = text;
            std::replace(description.begin(), description.end(), ':', ';');
            out += indent + "    " + quoted(word + ":" + description) + "\n";
        }
        out += indent + ")\n" + indent + "_describe 'verb' words_here\n";
    };
    out += "    if (( CURRENT == 2 )); then\n";
    list("", "        ");
    out += "        return\n    fi\n    case $verb in\n";
    for (const auto& [group, words] : commands.below) {
        if (group.empty()) continue;
        out += "        " + group + ")\n            if (( CURRENT == 3 )); then\n";
        list(group, "                ");
        out += "                return\n            fi\n            verb+=\" ${words[3]}\" ;;\n";
    }
    out += "    esac\n    case $verb in\n";
    for (const auto& verb : verbs) {
        const Names options = options_of(verb);
        const Names arguments = arguments_of(verb);
        out += "        " + quoted(verb.name) + ")\n            case ${words[CURRENT-1]} in\n";
        for (const auto& option : verb.options) {
            if (option.is_positional || option.words.empty()) continue;
            out += "                " + joined(split(option.names, ','), "|") + ") compadd -- " +
                   joined(option.words) + "; return ;;\n";
        }
        out += "            esac\n            [[ $PREFIX == -* ]] && compadd -- " +
               joined(options) + " && return\n";
        out += arguments.empty() ? "            _files ;;\n"
                                 : "            compadd -- " + joined(arguments) + " ;;\n";
    }
    return out +
           "    esac\n}\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then _weir; else "
           "compdef _weir weir; fi\n";
}

std::string fish(const std::vector<Verb>& verbs) {
    const Commands commands(verbs);
    std::string out =
        "# fish completion for weir: weir completion fish | source\n"
        "complete -c weir -n __fish_use_subcommand -f\n";
    for (const auto& [word, text] : commands.below.at(""))
        out +=
            "complete -c weir -n __fish_use_subcommand -a " + word + " -d " + quoted(text) + "\n";
    for (const auto& [group, words] : commands.below) {
        if (group.empty()) continue;
        const auto when =
            quoted("__fish_seen_subcommand_from " + group +
                   "; and not __fish_seen_subcommand_from " + joined(commands.words(group)));
        for (const auto& [word, text] : words)
            out += "complete -c weir -n " + when + " -f -a " + word + " -d " + quoted(text) + "\n";
    }
    for (const auto& verb : verbs) {
        std::string condition;
        for (const auto& word : split(verb.name, ' '))
            condition +=
                (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
        const auto begin = "complete -c weir -n " + quoted(condition);
        for (const auto& option : verb.options) {
            if (option.is_positional) continue;
            std::string names;
            for (const auto& name : split(option.names, ','))
                names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            const auto value = option.words.empty() ? std::string(option.takes_value ? " -r" : "")
                                                    : " -x -a " + quoted(joined(option.words));
            out += begin + names + value + " -d " + quoted(option.description) + "\n";
        }
        const auto arguments = arguments_of(verb);
        if (!arguments.empty()) out += begin + " -f -a " + quoted(joined(arguments)) + "\n";
    }
    return out;
}

}  // namespace

std::optional<std::string> completion(std::string_view shell, const std::vector<Verb>& verbs) {
    if (shell == "bash") return bash(verbs);
    if (shell == "zsh") return zsh(verbs);
    if (shell == "fish") return fish(verbs);
    return std::nullopt;
}

}  // namespace weir::manual
