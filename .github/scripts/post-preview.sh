#!/usr/bin/env bash
# Posts a preview of dashboards (a directory with summary.md and PNGs) as a comment of its pull request; a later one takes the
# place of the former. Pictures go to the branch "previews", which has the newest preview of each open pull request and no
# history.
#
#   post-preview.sh DIR
#
# Wants GITHUB_REPOSITORY, GITHUB_SERVER_URL, GH_TOKEN, HEAD_SHA (the commit that was drawn) and RUN_URL (who has drawn it), and
# the repository as the working directory. What is in DIR is a stranger's, and nothing of it is run.
set -euo pipefail
dir=$1
branch=previews
mark='<!-- preview of the dashboards -->'
limit=60000 # characters that a comment may have, with some to spare

# Asked of GitHub, not of the artifact: who draws may not choose where it is posted.
number=$(gh api "repos/$GITHUB_REPOSITORY/commits/$HEAD_SHA/pulls" --jq "[.[] | select(.state == \"open\" and .head.sha == \"$HEAD_SHA\")][0].number // empty")
if [ -z "$number" ]; then
  echo "no open pull request has the commit $HEAD_SHA any more: nothing is posted"
  exit 0
fi
if [ ! -f "$dir/summary.md" ]; then
  echo "there is no summary.md in the artifact" >&2
  exit 1
fi

# The pictures' branch, as one commit. Each preview has an address of its own, as browsers keep pictures.
place=$number/${HEAD_SHA:0:12}
tree=$(mktemp -d)
git worktree add --quiet --detach --no-checkout "$tree"
trap 'git worktree remove --force "$tree"; git branch --quiet -D "$branch-$number" 2>/dev/null || true' EXIT
(
  cd "$tree"
  git checkout --quiet --orphan "$branch-$number"
  git read-tree --empty
  git clean -fdxq
  if git fetch --quiet --depth=1 origin "$branch" 2>/dev/null; then
    git checkout --quiet FETCH_HEAD -- .
  fi
  open=$(gh api --paginate "repos/$GITHUB_REPOSITORY/pulls?state=open" --jq '.[].number')
  for former in */; do
    if [ "$former" = "$number/" ] || ! grep -qx "${former%/}" <<< "$open"; then
      rm -rf "./$former"
    fi
  done
  # Pictures only: regular files with plain names that begin as PNGs do.
  (cd "$dir" && find . -type f -name '*.png' -size -4M | grep -E '^\./(changes/)?[A-Za-z0-9._-]+\.png$' || true) | while read -r file; do
    if [ "$(head -c 8 "$dir/$file" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]; then
      mkdir -p "$(dirname "./$place/$file")"
      cp "$dir/$file" "./$place/$file"
    fi
  done
  git add --all
  git -c user.name=previews -c user.email=previews@users.noreply.github.com commit --quiet --allow-empty -m "Previews of the open pull requests"
  git push --quiet --force origin "HEAD:refs/heads/$branch"
)
# This address is open to all who may read the repository, which that of raw files is not.
base="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/blob/$branch/$place"
body=$(mktemp)
{
  echo "$mark"
  sed -E "s#\]\(((changes/)?[A-Za-z0-9._-]+\.png)\)#]($base/\1?raw=true)#g" "$dir/summary.md"
} > "$body"
if [ "$(wc -m < "$body")" -gt "$limit" ]; then
  cut=$(head -c "$limit" "$body" | sed '$d')
  printf '%s\n\n**The rest is left out here.**\n' "$cut" > "$body"
fi
printf '\n[preview.html and all pictures](%s)\n' "$RUN_URL" >> "$body"

comment=$(gh api --paginate "repos/$GITHUB_REPOSITORY/issues/$number/comments" --jq ".[] | select(.user.type == \"Bot\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)
if [ -n "$comment" ]; then
  gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$comment" --field "body=@$body"
else
  gh api --silent --method POST "repos/$GITHUB_REPOSITORY/issues/$number/comments" --field "body=@$body"
fi
echo "posted to pull request $number"
