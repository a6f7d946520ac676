"""What kind of program lies in a folder, and how to build and start it: pure data, one file per recipe.

Here belongs what looks at a folder and answers with a `BuildPlan`. What runs steps, mounts folders or knows the store
does not. A new recipe is its file, its line in `serai.services.apps.recipes.find`, an example and its test.
"""

from serai.services.apps.recipes.contract import (
    BuildPlan,
    FolderView,
    Match,
    Program,
    Recipe,
    Recurring,
    Runtime,
    Static,
    Step,
)

__all__ = ["BuildPlan", "FolderView", "Match", "Program", "Recipe", "Recurring", "Runtime", "Static", "Step"]
