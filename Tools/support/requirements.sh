# What the scripts need, for `source`: Swift, and Debian packages where there is dpkg.

# Ends with an error that says what to do unless there is a Swift that is new enough.
require_swift() {
    local version
    if ! command -v swift > /dev/null; then
        echo "Swift is not installed. Version 6.2 or later is needed: see https://www.swift.org/install" >&2
        echo "or use the official container: docker run -it -v \"\$PWD:/w\" -w /w swift:6.2 $0" >&2
        return 1
    fi
    version=$(swift --version 2>&1 | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -1)
    if [ "$(printf '%s\n' 6.2 "${version:-0}" | sort -V | head -1)" != 6.2 ]; then
        echo "Swift is ${version:-of an unknown version}; 6.2 or later is needed: see https://www.swift.org/install" >&2
        echo "or use the official container: docker run -it -v \"\$PWD:/w\" -w /w swift:6.2 $0" >&2
        return 1
    fi
    echo "Swift $version"
}

# Installs those of the Debian packages named that are missing. Prints the command first, and asks before sudo.
require_packages() {
    local package missing=() sudo=() answer
    if ! command -v dpkg-query > /dev/null; then
        echo "No Debian here: what these packages hold must be there already: $*"
        return 0
    fi
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} = 0 ]; then
        echo "Debian packages: $*"
        return 0
    fi
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    echo "Missing Debian packages: ${missing[*]}. They are installed with"
    echo "    ${sudo[*]} apt-get install -y --no-install-recommends ${missing[*]}"
    if [ ${#sudo[@]} != 0 ]; then
        if ! command -v sudo > /dev/null; then
            echo "This user is not root and there is no sudo. Have them installed, then run $0 again." >&2
            return 1
        elif [ -t 0 ] && [ -t 1 ]; then
            read -r -p "Run this now? [y/N] " answer
            if [[ $answer != [yY]* ]]; then
                echo "Not installed. Install them, then run $0 again." >&2
                return 1
            fi
        elif ! sudo -n true 2> /dev/null; then
            echo "sudo asks for a password and there is no terminal. Install them, then run $0 again." >&2
            return 1
        fi
    fi
    # A fresh container has no package lists.
    "${sudo[@]}" apt-get install -y --no-install-recommends "${missing[@]}" > /dev/null 2>&1 \
        || { "${sudo[@]}" apt-get update -q > /dev/null \
            && "${sudo[@]}" apt-get install -y --no-install-recommends "${missing[@]}" > /dev/null; } \
        || { echo "apt-get could not install them (its messages are above)." >&2; return 1; }
}
